/**
 * The ledger of connections over all workers: permits for what goes beyond each worker's allowance, leased in small
 * batches. Nobody is refused below a limit: before it refuses, every permit that lies unused is called back. Pure: what
 * it has to say goes to `send`, and what arrives is given to `receive`.
 */
import type { Limit } from '../proxy/connections.ts';
import type { Allowance, ToLeases, ToLedger } from './permits.ts';
import { allowanceUnder, limitNameOf } from './permits.ts';

export type Limits = Readonly<Record<Limit, number>>;

export interface Ledger<Worker> {
  /** A worker that is there from now on: it is told its allowance. */
  add(worker: Worker): void;
  /** A worker that lets nobody in any more: what it has let in counts in full. */
  close(worker: Worker): void;
  /** A worker that is gone, with its connections. */
  remove(worker: Worker): void;
  receive(worker: Worker, message: ToLedger): void;
  /** Other limits; who is over them stays, and nobody more is let in. */
  setLimits(limits: Limits): void;
  /** Keys that are kept in memory. */
  readonly size: number;
}

/** Permits that are leased at a time, so that not every connection has to ask. */
const batch = 8;

interface Ask<Worker> {
  readonly worker: Worker;
  readonly wanted: number;
}

interface Entry<Worker> {
  total: number;
  readonly leased: Map<Worker, number>;
  /** Asks that wait, oldest first; the first `recalled` of them arrived before the round under way began. */
  asks: Ask<Worker>[];
  recalled: number;
  /** Whose answers the round under way still waits for; null: there is none. */
  missing: Set<Worker> | null;
  round: number;
}

export function createLedger<Worker>(
  initial: Limits,
  size: number,
  send: (worker: Worker, message: ToLeases) => void,
): Ledger<Worker> {
  const entries = new Map<string, Entry<Worker>>();
  /** Whether each lets anybody in. */
  const workers = new Map<Worker, boolean>();
  let limits = initial;
  let rounds = 0;

  const allowance = (): Allowance => ({
    connections: allowanceUnder(limits.connections, size),
    connectionsPerClient: allowanceUnder(limits.connectionsPerClient, size),
  });

  function entryOf(key: string): Entry<Worker> {
    const found = entries.get(key);
    if (found) return found;
    const entry = { total: 0, leased: new Map(), asks: [], recalled: 0, missing: null, round: 0 };
    entries.set(key, entry);
    return entry;
  }

  function change(entry: Entry<Worker>, worker: Worker, count: number): void {
    const held = entry.leased.get(worker) ?? 0;
    const left = Math.max(0, held + count);
    entry.total += left - held;
    if (left > 0) entry.leased.set(worker, left);
    else entry.leased.delete(worker);
  }

  /** Grants in the order of asking as long as there is something to grant. */
  function serve(key: string, entry: Entry<Worker>): void {
    for (let ask = entry.asks[0]; ask; ask = entry.asks[0]) {
      const free = limits[limitNameOf(key)] - entry.total;
      if (free <= 0) return;
      const spare = Math.min(batch, Math.ceil(free / (2 * size)));
      answer(key, entry, ask, Math.min(free, Math.max(ask.wanted, spare)));
    }
  }

  function answer(key: string, entry: Entry<Worker>, { worker }: Ask<Worker>, count: number): void {
    entry.asks.shift();
    entry.recalled = Math.max(0, entry.recalled - 1);
    change(entry, worker, count);
    send(worker, { type: 'granted', key, count });
  }

  /** Goes on as far as it goes: grants, ends a round that has all its answers, begins another for those that wait. */
  function settle(key: string, entry: Entry<Worker>): void {
    serve(key, entry);
    while (entry.asks.length > 0) {
      if (entry.missing === null) recall(key, entry);
      if (entry.missing !== null && entry.missing.size > 0) return;
      entry.missing = null;
      serve(key, entry);
      // Everything unused came back since they asked, and there is none.
      for (let left = entry.recalled; left > 0; left--) {
        const [ask] = entry.asks;
        if (ask) answer(key, entry, ask, 0);
      }
    }
    if (entry.missing?.size === 0) entry.missing = null;
    if (entry.total === 0 && entry.missing === null) entries.delete(key);
  }

  function recall(key: string, entry: Entry<Worker>): void {
    entry.round = ++rounds;
    entry.recalled = entry.asks.length;
    entry.missing = new Set(entry.leased.keys());
    for (const worker of entry.missing) send(worker, { type: 'recall', key, round: entry.round });
  }

  return {
    add(worker) {
      workers.set(worker, true);
      send(worker, { type: 'allowance', allowance: allowance() });
    },
    close(worker) {
      workers.set(worker, false);
      send(worker, { type: 'allowance', allowance: { connections: 0, connectionsPerClient: 0 } });
    },
    remove(worker) {
      workers.delete(worker);
      for (const [key, entry] of entries) {
        change(entry, worker, -Infinity);
        const [recalled, later] = [entry.asks.slice(0, entry.recalled), entry.asks.slice(entry.recalled)];
        const left = recalled.filter((ask) => ask.worker !== worker);
        entry.asks = [...left, ...later.filter((ask) => ask.worker !== worker)];
        entry.recalled = left.length;
        entry.missing?.delete(worker);
        settle(key, entry);
      }
    },
    receive(worker, message) {
      // A message may come after the end of its sender.
      if (!workers.has(worker)) return;
      const { key } = message;
      const entry = entryOf(key);
      switch (message.type) {
        case 'ask':
          entry.asks.push({ worker, wanted: message.wanted });
          break;
        case 'back':
          change(entry, worker, -message.count);
          break;
        case 'claim':
          change(entry, worker, message.count);
          break;
        case 'recalled':
          change(entry, worker, -message.count);
          if (message.round === entry.round) entry.missing?.delete(worker);
      }
      settle(key, entry);
    },
    setLimits(next) {
      limits = next;
      for (const [worker, isOpen] of workers) if (isOpen) send(worker, { type: 'allowance', allowance: allowance() });
      for (const [key, entry] of entries) {
        // What lies unused would let others in over the new limit.
        if (entry.total > limits[limitNameOf(key)] && entry.missing === null) recall(key, entry);
        settle(key, entry);
      }
    },
    get size() {
      return entries.size;
    },
  };
}
