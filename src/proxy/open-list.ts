/**
 * What is open, in the order in which it opened. A `Set` would do, but what comes and goes there all day is rehashed
 * again and again, and each outgrown table points to the next: once one of them has grown old, whatever was open at each
 * of those moments grows old with it and waits for a full collection. An entry of a list goes without a trace.
 */
export class OpenList<T> implements Iterable<T> {
  readonly #ends: Ends<T> = { next: null, previous: null };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The oldest. */
  get first(): Entry<T> | null {
    return this.#ends.next;
  }

  /** Gives what `remove` takes. */
  add(value: T): Entry<T> {
    const { previous } = this.#ends;
    const entry: Entry<T> = { value, next: null, previous, isOpen: true };
    (previous ?? this.#ends).next = entry;
    this.#ends.previous = entry;
    this.#size++;
    return entry;
  }

  /** Calls after the first do nothing. */
  remove(entry: Entry<T>): void {
    if (!entry.isOpen) return;
    const { next, previous } = entry;
    (previous ?? this.#ends).next = next;
    (next ?? this.#ends).previous = previous;
    entry.isOpen = false;
    entry.next = entry.previous = null;
    this.#size--;
  }

  /** Goes over what is open at this moment, whatever opens or ends meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    const values: T[] = [];
    for (let entry = this.#ends.next; entry; entry = entry.next) values.push(entry.value);
    return values[Symbol.iterator]();
  }
}

interface Ends<T> {
  /** The oldest, and behind an entry the next younger one. */
  next: Entry<T> | null;
  /** The youngest, and behind an entry the next older one. */
  previous: Entry<T> | null;
}

export interface Entry<T> extends Ends<T> {
  readonly value: T;
  isOpen: boolean;
}
