/** A CONNECT that is read past `node:http` is read as that would read it, whatever the bytes. */
import { duplexPair } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import type { Socket } from 'node:net';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import type { ConnectRequest } from '../../src/proxy/connect-head.ts';
import { findReadConnectHead } from '../../src/proxy/connect-head.ts';
import { createHttpListener } from '../../src/proxy/http-listener.ts';

const headerBytes = 600;
const limits = { headerMs: 10_000, keepAliveMs: 10_000, headerBytes } as Config['limits'];
const readConnectHead = findReadConnectHead(headerBytes)!;

/** What a tunnel would be asked for, and what comes behind it; null: something else, or not all of it. */
type Read = { url: string | undefined; rawHeaders: readonly string[]; httpVersion: string; rest: string } | null;

const shown = ({ url, rawHeaders, httpVersion }: ConnectRequest, rest: Buffer): Read => ({
  url,
  rawHeaders,
  httpVersion,
  rest: rest.toString('latin1'),
});

function readHere(bytes: Buffer): Read {
  const head = readConnectHead(bytes);
  return head && shown(head.request, head.rest);
}

async function readByNodeHttp(bytes: Buffer): Promise<Read> {
  let read: Read = null;
  const [near, far] = duplexPair();
  near.on('error', () => {});
  const { serve } = createHttpListener(limits, {
    onRequest: () => {},
    onConnect: (request, _socket, head) => (read = shown(request, head)),
    onClientError: () => {},
  });
  serve(near as Socket);
  far.write(bytes);
  await turn();
  near.destroy();
  far.destroy();
  return read;
}

const token = fc.string({ unit: fc.constantFrom(...Array.from('abzAZ09-_.!#')), minLength: 1, maxLength: 12 });
const value = fc.string({ unit: fc.constantFrom(...Array.from('ab 9:/,;=\t"\x7f\x01\xe9')), maxLength: 20 });
const field = fc.oneof(
  fc.tuple(token, value),
  fc.constantFrom(
    ['Host', 'a.example:443'],
    ['Content-Length', '0'],
    ['Content-Length', '5'],
    ['Transfer-Encoding', 'chunked'],
    ['Connection', 'upgrade'],
    ['Upgrade', 'h2c'],
    ['Expect', '100-continue'],
    ['Proxy-Authorization', 'Basic YTpi'],
  ),
);
const request = fc.record({
  line: fc.constantFrom(
    'CONNECT a.example:443 HTTP/1.1',
    'CONNECT a.example:443 HTTP/1.0',
    'CONNECT [::1]:443 HTTP/1.1',
    'CONNECT a.example:443 HTTP/2.0',
    'CONNECT a.example:443',
    'CONNECT  a.example:443 HTTP/1.1',
    'CONNECT /path HTTP/1.1',
    'CONNECT http://a.example/ HTTP/1.1',
    'GET http://a.example/ HTTP/1.1',
    'CONNECTED a.example:443 HTTP/1.1',
  ),
  fields: fc.array(field, { maxLength: 6 }),
  break: fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r\n '),
  rest: fc.constantFrom('', '\x16\x03\x01', 'GET http://a.example/ HTTP/1.1\r\n\r\n', '\r\n'),
  damages: fc.array(fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }), cut: fc.nat({ max: 2 }) }), {
    maxLength: 2,
  }),
});

test('both read the same of every piece', async () => {
  let count = 0;
  await fc.assert(
    fc.asyncProperty(request, async ({ line, fields, break: end, rest, damages }) => {
      const lines = [line, ...fields.map(([name, text]) => `${name}: ${text}`), '', rest];
      let bytes = Buffer.from(lines.join(end), 'latin1');
      for (const { at, byte, cut } of damages) {
        const place = at % (bytes.length + 1);
        bytes = Buffer.concat([bytes.subarray(0, place), Buffer.from([byte]), bytes.subarray(place + cut)]);
      }
      const read = readHere(bytes);
      expect(read).toEqual(await readByNodeHttp(bytes));
      if (read) count++;
    }),
    { numRuns: 3000 },
  );
  expect(count).toBeGreaterThan(300);
}, 60_000);

test('a head beyond what may come, or with more fields than the parser gives at once, is left to node:http', async () => {
  const head = (fields: number, bytes: number) =>
    Buffer.from(`CONNECT a.example:443 HTTP/1.1\r\n${`X: ${'x'.repeat(bytes)}\r\n`.repeat(fields)}\r\n`);
  expect([readHere(head(1, headerBytes)), await readByNodeHttp(head(1, headerBytes))]).toEqual([null, null]);
  expect(readHere(head(31, 1))?.rawHeaders).toHaveLength(62);
  expect(readHere(head(40, 1))).toBeNull();
  expect((await readByNodeHttp(head(40, 1)))?.rawHeaders).toHaveLength(80);
});
