/** The log in numbers: what was asked, by whom, for what, how it ended, how much went through, and when. */
import type { LogRecord } from './log-record.ts';
import type { Counted } from './log-tally.ts';
import { createTally } from './log-tally.ts';

/** One line of a ranking. */
export interface Ranked {
  readonly name: string;
  readonly exchanges: number;
  readonly refused: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

export interface SlowConnect {
  readonly time: number;
  readonly client: string;
  readonly target: string;
  readonly address: string | null;
  readonly connectMs: number;
}

/** Exchanges by time: `counts` begin at `startTime`, each for `stepMs` milliseconds. */
export interface Timeline {
  readonly startTime: number;
  readonly stepMs: number;
  readonly counts: readonly number[];
}

export interface LogSummary {
  readonly exchanges: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly reasons: Readonly<Record<string, number>>;
  readonly clients: readonly Ranked[];
  readonly targets: readonly Ranked[];
  readonly slowest: readonly SlowConnect[];
  readonly timeline: Timeline | null;
  /** Exchanges of clients and targets too many to keep, which came least: they are in the totals alone. */
  readonly forgotten: number;
}

export interface SummaryCounter {
  add(record: LogRecord): void;
  /** What was added so far, with at most `top` clients and targets and at most `steps` steps of time. */
  result(top: number, steps: number): LogSummary;
}

interface Traffic extends Counted {
  refused: number;
  bytesUp: number;
  bytesDown: number;
}

const slowestKept = 10;
const finestStepMs = 1000;
/** Steps of time that are counted; beyond, two become one. */
const maxSteps = 4096;

/** Counts exchanges; a line for an open tunnel is none, for its exchange gets another. */
export function createSummary(): SummaryCounter {
  const total = newTraffic();
  const verdicts = new Map<string, number>();
  const reasons = createTally<Counted>(() => ({ count: 0 }), 1000);
  const clients = createTally(newTraffic);
  const targets = createTally(newTraffic);
  const slowest: SlowConnect[] = [];
  let steps = new Map<number, number>();
  let stepMs = finestStepMs;

  function countTime(time: number, count: number): void {
    const step = Math.floor(time / stepMs);
    steps.set(step, (steps.get(step) ?? 0) + count);
    while (steps.size > maxSteps) {
      stepMs *= 2;
      const wider = new Map<number, number>();
      for (const [at, counted] of steps) wider.set(Math.floor(at / 2), (wider.get(Math.floor(at / 2)) ?? 0) + counted);
      steps = wider;
    }
  }

  function noteConnect({ time, client, target, address, connectMs }: LogRecord): void {
    if (connectMs === null || target === null || connectMs <= (slowest[slowestKept - 1]?.connectMs ?? 0)) return;
    const at = slowest.findIndex((slow) => slow.connectMs < connectMs);
    slowest.splice(at < 0 ? slowest.length : at, 0, { time, client, target, address, connectMs });
    slowest.length = Math.min(slowest.length, slowestKept);
  }

  return {
    add(record) {
      if (record.event !== 'access') return;
      const count = 1 + record.suppressed;
      const { verdict, reason } = record;
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + count);
      if (reason !== null) reasons.at(reason).count += count;
      addTraffic(total, record);
      addTraffic(clients.at(record.client), record);
      if (record.target !== null) addTraffic(targets.at(record.target), record);
      countTime(record.time, count);
      noteConnect(record);
    },
    result: (top, most) => ({
      exchanges: total.count,
      bytesUp: total.bytesUp,
      bytesDown: total.bytesDown,
      verdicts: Object.fromEntries([...verdicts].sort(([, a], [, b]) => b - a)),
      reasons: Object.fromEntries(reasons.ranked().map(([reason, { count }]) => [reason, count])),
      clients: clients.ranked().slice(0, top).map(toRanked),
      targets: targets.ranked().slice(0, top).map(toRanked),
      slowest,
      timeline: timelineOf(steps, stepMs, most),
      forgotten: clients.forgotten + targets.forgotten,
    }),
  };
}

function newTraffic(): Traffic {
  return { count: 0, refused: 0, bytesUp: 0, bytesDown: 0 };
}

function addTraffic(traffic: Traffic, { verdict, bytesUp, bytesDown, suppressed }: LogRecord): void {
  traffic.count += 1 + suppressed;
  if (verdict === 'deny') traffic.refused += 1 + suppressed;
  traffic.bytesUp += bytesUp;
  traffic.bytesDown += bytesDown;
}

function toRanked([name, { count, refused, bytesUp, bytesDown }]: readonly [string, Traffic]): Ranked {
  return { name, exchanges: count, refused, bytesUp, bytesDown };
}

/** Steps wide enough that there are no more of them than asked for. */
function timelineOf(steps: ReadonlyMap<number, number>, stepMs: number, most: number): Timeline | null {
  if (steps.size === 0) return null;
  let first = Infinity;
  let last = -Infinity;
  for (const step of steps.keys()) {
    first = Math.min(first, step);
    last = Math.max(last, step);
  }
  const width = Math.ceil((last - first + 1) / most);
  const counts = Array<number>(Math.ceil((last - first + 1) / width)).fill(0);
  for (const [step, count] of steps) {
    const at = Math.floor((step - first) / width);
    counts[at] = (counts[at] ?? 0) + count;
  }
  return { startTime: first * stepMs, stepMs: width * stepMs, counts };
}
