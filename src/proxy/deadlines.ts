/**
 * Deadlines that are hardly ever reached, at a third of the price of the platform's timers: those of one length stand in
 * a row in which the first is due first, and one timer a row waits for that.
 */
import type { Entry } from './open-list.ts';
import { OpenList } from './open-list.ts';

/** Whoever has something to do at a deadline. */
export interface Waiting {
  onDeadline(): void;
}

interface Due {
  readonly whom: Waiting;
  /** On the clock of `performance.now()`. */
  readonly at: number;
  readonly row: OpenList<Due>;
}

export type Deadline = Entry<Due>;

/** No deadline keeps the process from ending. */
export class Deadlines {
  /** By their lengths in milliseconds. */
  readonly #rows = new Map<number, OpenList<Due>>();

  /** Sets a deadline in so many milliseconds. */
  set(ms: number, whom: Waiting): Deadline {
    let row = this.#rows.get(ms);
    if (!row) {
      row = new OpenList();
      this.#rows.set(ms, row);
      this.#arm(row, ms, ms);
    }
    return row.add({ whom, at: performance.now() + ms, row });
  }

  /** Takes a deadline back; one that was reached, or none, is no matter. */
  static clear(deadline: Deadline | null): void {
    deadline?.value.row.remove(deadline);
  }

  #arm(row: OpenList<Due>, ms: number, leftMs: number): void {
    setTimeout(() => this.#check(row, ms), Math.max(1, Math.ceil(leftMs))).unref();
  }

  #check(row: OpenList<Due>, ms: number): void {
    const now = performance.now();
    try {
      for (let { first } = row; first && first.value.at <= now; first = row.first) {
        row.remove(first);
        first.value.whom.onDeadline();
      }
    } finally {
      if (row.first) this.#arm(row, ms, row.first.value.at - now);
      else this.#rows.delete(ms);
    }
  }
}
