/** Counts by key in bounded memory: what comes often is kept, what came least goes when there is no room. */

/** What is kept for a key; a report adds its own fields. */
export interface Counted {
  count: number;
}

export interface Tally<T extends Counted> {
  /** The entry of a key, made when it is new. */
  at(key: string): T;
  /** The entries by count, the greatest first. */
  ranked(): readonly (readonly [string, T])[];
  /** Counts that belonged to keys given up for want of room. */
  readonly forgotten: number;
}

/** So many clients, targets or pairs of them are more than any report shows, and take some tens of megabytes. */
const defaultMaxKeys = 50_000;

/** Makes a tally that holds `maxKeys` entries at most; the half that counts least is given up to make room. */
export function createTally<T extends Counted>(make: () => T, maxKeys = defaultMaxKeys): Tally<T> {
  const entries = new Map<string, T>();
  let forgotten = 0;

  function makeRoom(): void {
    const least = [...entries].sort(([, a], [, b]) => a.count - b.count).slice(0, Math.ceil(maxKeys / 2));
    for (const [key, { count }] of least) {
      entries.delete(key);
      forgotten += count;
    }
  }

  return {
    at(key) {
      const known = entries.get(key);
      if (known !== undefined) return known;
      if (entries.size >= maxKeys) makeRoom();
      const entry = make();
      entries.set(key, entry);
      return entry;
    },
    ranked: () => [...entries].sort(([a, { count: x }], [b, { count: y }]) => y - x || (a < b ? -1 : 1)),
    get forgotten() {
      return forgotten;
    },
  };
}
