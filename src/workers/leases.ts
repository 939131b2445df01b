/**
 * What a worker lets in: up to its allowance by itself, beyond by permits of the primary, who has the ledger. Pure: what
 * it has to say goes to `send`, and what arrives is given to `receive`.
 */
import type { Admission, Limit } from '../proxy/connections.ts';
import type { Allowance, ToLeases, ToLedger } from './permits.ts';
import { allKey, limitNameOf } from './permits.ts';

export interface Leases extends Admission {
  receive(message: ToLeases): void;
  /** Gives back what has lain unused; to be called from time to time, for who needs it sooner calls it back. */
  rest(): void;
  /** Nobody answers any more: who waits is refused. */
  close(): void;
  /** Connections that are let in of a key. */
  openOf(key: string): number;
}

/** Permits that may go on lying unused where some connection is open. */
const spare = 8;

interface Entry {
  open: number;
  leased: number;
  /** Connections that wait for a permit, oldest first. */
  readonly waiting: ((isIn: boolean) => void)[];
  /** How many of them, from the oldest on, the ask under way is still for; null: there is none. */
  asked: number | null;
  /** Others are short of permits: none lies unused here from a recall to the next grant. */
  isShort: boolean;
}

export function createLeases(send: (message: ToLedger) => void): Leases {
  const entries = new Map<string, Entry>();
  // Until it is told, everything has to be asked for.
  let allowance: Allowance = { connections: 0, connectionsPerClient: 0 };
  let isClosed = false;

  const allowed = (key: string) => allowance[limitNameOf(key)];
  const unusedOf = (key: string, { open, leased }: Entry) =>
    Math.max(0, Math.min(leased, allowed(key) + leased - open));

  function entryOf(key: string): Entry {
    const found = entries.get(key);
    if (found) return found;
    const entry: Entry = { open: 0, leased: 0, waiting: [], asked: null, isShort: false };
    entries.set(key, entry);
    return entry;
  }

  function takeKey(key: string): true | Promise<boolean> {
    const entry = entryOf(key);
    if (entry.open < allowed(key) + entry.leased) {
      entry.open += 1;
      return true;
    }
    return new Promise((resolve) => {
      entry.waiting.push(resolve);
      settle(key, entry);
    });
  }

  function releaseKey(key: string): void {
    const entry = entryOf(key);
    entry.open -= 1;
    settle(key, entry);
  }

  /** Lets in who can be, asks for the rest. */
  function settle(key: string, entry: Entry): void {
    const { waiting } = entry;
    // Others may have waited longer, or the limit may be lower than what is open.
    if (entry.isShort) giveBack(key, entry, unusedOf(key, entry));
    while (waiting.length > 0 && entry.open < allowed(key) + entry.leased) {
      entry.open += 1;
      if (entry.asked !== null && entry.asked > 0) entry.asked -= 1;
      waiting.shift()?.(true);
    }
    if (isClosed) refuse(entry, waiting.length);
    if (waiting.length > 0 && entry.asked === null) {
      entry.asked = waiting.length;
      send({ type: 'ask', key, wanted: entry.asked });
    }
    if (entry.open === 0 && entry.leased === 0 && entry.asked === null && waiting.length === 0) entries.delete(key);
  }

  function giveBack(key: string, entry: Entry, count: number): void {
    if (count === 0) return;
    entry.leased -= count;
    send({ type: 'back', key, count });
  }

  function refuse({ waiting }: Entry, count: number): void {
    for (const resolve of waiting.splice(0, count)) resolve(false);
  }

  /** What was let in without a permit and is not covered any more. */
  function claim(key: string, entry: Entry): void {
    const count = entry.open - allowed(key) - entry.leased;
    if (count <= 0) return;
    entry.leased += count;
    send({ type: 'claim', key, count });
  }

  function takeClient(client: string): Limit | null | Promise<Limit | null> {
    const taken = takeKey(client);
    const settled = (isIn: boolean): Limit | null => {
      if (isIn) return null;
      releaseKey(allKey);
      return limitNameOf(client);
    };
    return taken === true ? null : taken.then(settled);
  }

  return {
    take(client) {
      const taken = takeKey(allKey);
      if (taken === true) return takeClient(client);
      return taken.then((isIn) => (isIn ? takeClient(client) : limitNameOf(allKey)));
    },
    release(client) {
      releaseKey(client);
      releaseKey(allKey);
    },
    receive(message) {
      if (message.type === 'allowance') {
        ({ allowance } = message);
        for (const [key, entry] of entries) {
          claim(key, entry);
          settle(key, entry);
        }
        return;
      }
      const { key } = message;
      const entry = entryOf(key);
      if (message.type === 'granted') {
        const { count } = message;
        entry.leased += count;
        if (count === 0) refuse(entry, entry.asked ?? 0);
        entry.asked = null;
        if (count > 0) entry.isShort = false;
      } else {
        entry.isShort = true;
        const count = unusedOf(key, entry);
        entry.leased -= count;
        send({ type: 'recalled', key, round: message.round, count });
      }
      settle(key, entry);
    },
    rest() {
      for (const [key, entry] of entries) {
        const kept = entry.open === 0 ? 0 : spare;
        giveBack(key, entry, Math.max(0, unusedOf(key, entry) - kept));
        settle(key, entry);
      }
    },
    close() {
      isClosed = true;
      for (const [key, entry] of entries) settle(key, entry);
    },
    openOf: (key) => entries.get(key)?.open ?? 0,
  };
}
