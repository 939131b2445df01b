/** When ranges are to be asked for again, and from when on they are called stale. */

export interface RefreshClock {
  /** Of the next refresh; milliseconds since 1970. */
  readonly dueMs: number;
  /** When a refresh last succeeded, or the day of the document that is held instead; null if neither is known. */
  readonly freshMs: number | null;
  succeeded(nowMs: number): void;
  failed(nowMs: number): void;
  /** Whether what is held is older than `staleAfterDays`. */
  isStale(nowMs: number): boolean;
}

export interface RefreshClockOptions {
  readonly refreshHours: number;
  readonly staleAfterDays: number;
  /** When a refresh last succeeded, in whatever process; null: never. */
  readonly succeededMs: number | null;
  /** The date of what is held. */
  readonly documentMs: number | null;
  readonly nowMs: number;
  /** From 0 up to 1: many proxies that start together must not ask together. */
  readonly random: () => number;
}

const hourMs = 3_600_000;
/** Within this the first refresh begins, where one is due at the start. */
const firstWithinMs = 30_000;
/** What a failure costs at first; doubled with each in a row. */
const firstBackOffMs = 60_000;
const longestBackOffMs = 4 * hourMs;

/** Starts the clock of a process. */
export function createRefreshClock(options: RefreshClockOptions): RefreshClock {
  const { nowMs, random, documentMs } = options;
  const periodMs = options.refreshHours * hourMs;
  /** A tenth sooner or later. */
  const afterPeriod = (ms: number) => ms + periodMs * (0.9 + 0.2 * random());
  let succeededMs = options.succeededMs;
  let failures = 0;
  const soonMs = nowMs + firstWithinMs * random();
  // A success in what the clock calls the future says nothing: clocks are set, disks are moved.
  let dueMs = succeededMs === null || succeededMs > nowMs ? soonMs : Math.max(soonMs, afterPeriod(succeededMs));
  const freshMs = () => succeededMs ?? documentMs;
  return {
    get dueMs() {
      return dueMs;
    },
    get freshMs() {
      return freshMs();
    },
    succeeded(nowMs) {
      succeededMs = nowMs;
      failures = 0;
      dueMs = afterPeriod(nowMs);
    },
    failed(nowMs) {
      const backOffMs = Math.min(firstBackOffMs * 2 ** failures++, longestBackOffMs, periodMs);
      dueMs = nowMs + backOffMs * (0.75 + 0.5 * random());
    },
    isStale: (nowMs) => nowMs - (freshMs() ?? nowMs) > options.staleAfterDays * 24 * hourMs,
  };
}
