/** Which clients came, which were let through, and which of those that were expected did not come. */
import { formatPrefix, isHostPrefix, parseAddress, parsePrefix, prefixContains } from '../address/ip.ts';
import type { Address, Prefix } from '../address/ip.ts';
import type { LogRecord } from './log-record.ts';
import type { Counted } from './log-tally.ts';
import { createTally } from './log-tally.ts';

/** A client that is expected: one address, or any of a prefix. */
export interface ExpectedClient {
  /** Null where the line has none. */
  readonly name: string | null;
  readonly prefix: Prefix;
}

/** Expectations as a file has them, and `LINE: what is wrong` for the lines that are none. */
export interface Expectations {
  readonly clients: readonly ExpectedClient[];
  readonly faults: readonly string[];
}

/** Reads one `ADDRESS`, `PREFIX` or `NAME,ADDRESS` a line; blank lines, `#` comments and a line of headings are left out. */
export function parseExpectations(text: string): Expectations {
  const clients: ExpectedClient[] = [];
  const faults: string[] = [];
  for (const [index, raw] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    const line = raw.replace(/#.*$/, '').trim();
    if (line === '') continue;
    const cells = line.split(/[,;\t]/).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
    const prefixes = cells.map((cell) => parsePrefix(cell));
    const at = prefixes.findIndex((prefix) => prefix.ok);
    const found = prefixes[at];
    if (found?.ok)
      clients.push({ name: cells.find((cell, other) => other !== at && cell !== '') ?? null, prefix: found.value });
    else if (index > 0 || /[\d:]/.test(line)) {
      const slashed = prefixes.find((_, other) => cells[other]?.includes('/'));
      const message =
        slashed?.ok === false ? slashed.message : 'no address; write 10.0.0.4, 10.0.1.0/24 or NAME,10.0.0.4';
      faults.push(`${index + 1}: ${message}`);
    }
  }
  return { clients, faults };
}

/** What the log says of one client. */
export interface SeenClient {
  readonly client: string;
  /** Milliseconds since 1970. */
  readonly lastTime: number;
  readonly exchanges: number;
  /** Null where nothing of this client was ever let through. */
  readonly lastAllowedTime: number | null;
  readonly userAgent: string | null;
}

/** An expected client and who of it came; the latest first. */
export interface ExpectedSeen extends ExpectedClient {
  readonly seen: readonly SeenClient[];
}

export interface ClientsCounter {
  add(record: LogRecord): void;
  result(): { readonly clients: readonly SeenClient[]; readonly forgotten: number };
}

interface Entry extends Counted {
  exchanges: number;
  lastTime: number;
  lastAllowedTime: number | null;
  userAgent: string | null;
}

const maxClients = 200_000;

/** Notes every client, one with an open tunnel and no exchange ended yet as well. */
export function createClients(): ClientsCounter {
  const clients = createTally<Entry>(
    () => ({ count: 0, exchanges: 0, lastTime: -Infinity, lastAllowedTime: null, userAgent: null }),
    maxClients,
  );
  return {
    add(record) {
      const { client, event, time, verdict, userAgent } = record;
      const entry = clients.at(client);
      entry.count += 1;
      if (event === 'access') entry.exchanges += 1 + record.suppressed;
      if (time >= entry.lastTime) {
        entry.lastTime = time;
        entry.userAgent = userAgent ?? entry.userAgent;
      }
      if (verdict === 'allow' || verdict === 'would_deny') {
        entry.lastAllowedTime = Math.max(time, entry.lastAllowedTime ?? -Infinity);
      }
    },
    result: () => ({
      clients: clients.ranked().map(([client, { exchanges, lastTime, lastAllowedTime, userAgent }]) => ({
        client,
        exchanges,
        lastTime,
        lastAllowedTime,
        userAgent,
      })),
      forgotten: clients.forgotten,
    }),
  };
}

/** Puts what was seen beside what was expected, in the order of the expectations. */
export function compareExpected(
  expected: readonly ExpectedClient[],
  clients: readonly SeenClient[],
): readonly ExpectedSeen[] {
  const byText = new Map(clients.map((seen) => [seen.client, seen]));
  const addresses = clients.flatMap((seen): { seen: SeenClient; address: Address }[] => {
    const address = parseAddress(seen.client);
    return address === null ? [] : [{ seen, address }];
  });
  return expected.map(({ name, prefix }) => {
    const one = byText.get(prefix.address.text);
    const seen = isHostPrefix(prefix)
      ? one
        ? [one]
        : []
      : addresses.filter((entry) => prefixContains(prefix, entry.address)).map((entry) => entry.seen);
    return { name, prefix, seen: seen.sort((a, b) => b.lastTime - a.lastTime) };
  });
}

/** An expected client as its file writes it: one address goes without its length. */
export function expectedText({ prefix }: ExpectedClient): string {
  return isHostPrefix(prefix) ? prefix.address.text : formatPrefix(prefix);
}
