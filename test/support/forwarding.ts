/** A proxy in front of one loopback destination, for plain http, and what every refusal of it has to look like. */
import { afterAll, expect } from 'vitest';
import type { ExchangeRecord } from '../../src/proxy/exchange.ts';
import { createDestination } from './destination.ts';
import type { Behaviour, Destination } from './destination.ts';
import { startProxy } from './proxy.ts';
import type { TestProxy } from './proxy.ts';
import { connectRaw, parseMessage } from './raw-client.ts';
import type { Bytes, Wire } from './wire.ts';

export interface Forwarding extends AsyncDisposable {
  readonly proxy: TestProxy;
  readonly destination: Destination;
  /** `http://127.0.0.1:PORT` of the destination. */
  readonly origin: string;
  /** A new connection to the proxy. */
  connect(): Promise<Wire>;
}

/** An answer of the destination with its length. */
export const answer = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Answers every connection with `bytes` once the head of a request has come, and closes when the proxy has closed. */
export const answerOnly =
  (bytes: string): Behaviour =>
  async (wire) => {
    await wire.until('\r\n\r\n');
    await wire.write(bytes);
    await wire.all();
    wire.end();
  };

/** Answers each request of a connection, none of which has a body, with what `reply` gives for its head. */
export const answerEach =
  (reply: (head: string) => Bytes | Promise<Bytes>): Behaviour =>
  async (wire) => {
    for (let end = 0; ;) {
      const heads = await wire.until(new RegExp(`^[^]{${end}}[^]+?\\r\\n\\r\\n`));
      await wire.write(await reply(heads.slice(end)));
      end = heads.length;
    }
  };

/** Starts both; `config` is YAML beside the loopback addresses let out. */
export async function startForwarding(
  behaviour: Behaviour = answerOnly(answer('ok')),
  config = '',
): Promise<Forwarding> {
  const destination = await createDestination(behaviour);
  const proxy = await startProxy({
    config: `privateDestinations: ["127.0.0.0/8"]\n${config}`,
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  return {
    proxy,
    destination,
    origin: `http://127.0.0.1:${destination.port}`,
    connect: () => connectRaw(proxy.port),
    async [Symbol.asyncDispose]() {
      await proxy.app.stop(0);
      await destination.close();
    },
  };
}

/** Sends `bytes` on a new connection and gives all that came back until the proxy closed its side. */
export async function exchangeBytes({ connect }: Pick<Forwarding, 'connect'>, bytes: string): Promise<string> {
  await using client = await connect();
  await client.write(bytes);
  return (await client.all()).toString('latin1');
}

/** How the proxy (or its side of a destination's connection) ended: with an orderly FIN, or torn. */
export const endingOf = (wire: Wire): Promise<'closed' | 'reset'> =>
  wire.all().then(
    () => 'closed',
    () => 'reset',
  );

/** The fields of a request as the destination got it, or of an answer as the client got it. */
export const fieldsOf = (message: string): ReadonlyMap<string, string> => parseMessage(message).fields;

/** Holds a refusal to its promised form, the log line included, and gives the line. */
export async function expectRefusal(
  proxy: TestProxy,
  text: string,
  expected: { readonly startLine: string | RegExp; readonly reason: string; readonly index?: number },
): Promise<ExchangeRecord> {
  const { startLine, status, fields, rest } = parseMessage(text);
  if (typeof expected.startLine === 'string') expect(startLine).toBe(expected.startLine);
  else expect(startLine).toMatch(expected.startLine);
  const record = await proxy.record(expected.index ?? 0);
  expect(record).toMatchObject({ reason: expected.reason, status });
  expect(fields.get('proxy-status')).toMatch(/^lockdown-proxy; error=[a-z_]+; details="[a-z_]+"$/);
  expect(fields.get('proxy-status')).toContain(`details="${expected.reason}"`);
  expect(fields.get('connection')).toBe('close');
  expect(fields.get('content-length')).toBe(String(rest.length));
  expect(rest).toBe(`${startLine.replace(/^HTTP\/1\.1 \d{3} /, '')} (lockdown-proxy exchange ${record.id})\n`);
  expect(text).not.toMatch(/\bat |node:|\.ts\b/);
  return record;
}

/** Fails the file when anything in it reached the process as an uncaught exception or an unhandled rejection. */
export function forbidCrashes(): void {
  const crashes: unknown[] = [];
  const note = (error: unknown): void => void crashes.push(error);
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
  afterAll(() => {
    process.off('uncaughtException', note);
    process.off('unhandledRejection', note);
    expect(crashes).toEqual([]);
  });
}
