/** Whatever a source answers: refused in one line that says what and where, the last good kept, the proxy serves on. */
import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import type { Destination } from '../support/destination.ts';
import type { RangedProxy } from '../support/ranged-proxy.ts';
import { startRangedProxy } from '../support/ranged-proxy.ts';
import { serviceTagsJson } from '../support/ranges-publisher.ts';
import { mebibyte } from '../support/ranges-request.ts';
import { openTunnel } from '../support/tunnel.ts';

const file = 'ServiceTags_Public_20260105.json';
const budgetMs = 3000;
let destination: Destination;
let ranged: RangedProxy;

beforeAll(async () => {
  destination = await createDestination(echo);
  ranged = await startRangedProxy({ rules: ['tag:Storage', `tag:Storage:${destination.port}`], budgetMs });
});
afterAll(async () => {
  await ranged[Symbol.asyncDispose]();
  await destination.close();
});

const whole = serviceTagsJson();
/** So many mebibytes, as fast as they are taken, with or without their length told. */
const flood =
  (count: number, isTold: boolean): RequestListener =>
  (_request, response) => {
    if (isTold) response.setHeader('content-length', count * mebibyte);
    const chunk = Buffer.alloc(mebibyte, ' ');
    let left = count;
    const more = (): void => {
      while (left > 0 && !response.destroyed) {
        left--;
        if (!response.write(chunk)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  };

/** A byte at a time for as long as somebody reads. */
const drip: RequestListener = (_request, response) => {
  const timer = setInterval(() => response.write(' '), 50);
  response.on('close', () => clearInterval(timer));
};

test.for<[string, string | RequestListener, string]>([
  [
    'an HTML page',
    '<!doctype html><html><title>Sign in</title></html>',
    'an HTML page, not ranges; its title is "Sign in"',
  ],
  ['nothing', '', 'Empty'],
  ['a part of the file', whole.slice(0, whole.length / 2), 'Cut short'],
  [
    'less than the announced length',
    (_request, response) => {
      response.writeHead(200, { 'content-length': whole.length });
      response.write(whole.slice(0, 100));
      response.socket?.end();
    },
    'closed before the answer was whole',
  ],
  ['a tag twice', whole.replaceAll('"AzureBackup"', '"storage"'), 'is there twice'],
  ['host bits', whole.replace('20.60.0.0/16', '20.60.0.1/16'), 'Host bits are set, write 20.60.0.0/16'],
  ['a prefix without length', whole.replace('20.60.0.0/16', '20.60.0.0'), 'write 20.60.0.0/32'],
  ['a prefix too wide', whole.replace('20.60.0.0/16', '20.0.0.0/8'), 'is too wide'],
  [
    'private space in a wanted tag',
    whole.replace('20.60.0.0/16', '10.0.0.0/16'),
    'special-purpose addresses: 10.0.0.0/16',
  ],
  ['the metadata address', whole.replace('20.60.0.0/16', '169.254.169.254/32'), 'special-purpose addresses'],
  ['another cloud', serviceTagsJson({ cloud: 'China' }), 'cloud: expected "Public", found "China"'],
  [
    'a list without any wanted tag',
    JSON.stringify({
      changeNumber: 1,
      cloud: 'Public',
      values: [{ name: 'Sql', id: 'Sql', properties: { addressPrefixes: ['20.1.0.0/16'] } }],
    }),
    'none of the wanted tags is in it',
  ],
  ['numbers for prefixes', whole.replace('"20.60.0.0/16"', '5'), 'Storage'],
  [
    'bytes that are no text',
    (_request, response) => void response.end(Buffer.alloc(4096, 0xff)),
    'neither JSON, XML nor prefixes',
  ],
  [
    'a compressed body',
    (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    'is encoded as gzip',
  ],
  ['an error', (_request, response) => void response.writeHead(503).end(whole), 'answered 503'],
  [
    '304 although nothing was held',
    (_request, response) => void response.writeHead(304).end(),
    'answered 304 although nothing of it is held',
  ],
  ['a flood of objects', `{"values":[${'{},'.repeat(600_000)}{}]}`, 'more than 500000 objects or lists'],
  ['200 MB', flood(200, false), `more than ${64 * mebibyte} bytes`],
  ['200 MB announced', flood(200, true), `more than ${64 * mebibyte} bytes`],
  ['64 MB of blanks', flood(64, false), 'Empty'],
  ['a slow drip', drip, `no whole answer within ${budgetMs} ms`],
  ['a reset', (request) => void request.socket.resetAndDestroy(), 'ECONNRESET'],
  ['control characters', 'x\u001b[31m\u2028\nred', 'neither JSON, XML nor prefixes: "x\\u001b[31m'],
])('%s', async ([, answer, why]) => {
  const { proxy, publisher, folder, said } = ranged;
  publisher.publish({ [file]: answer });
  const before = said('ranges_refused').length;
  const refreshing = proxy.app.ranges!.refresh();
  // While it goes on, tunnels open and carry.
  const target = `127.0.0.1:${destination.port}`;
  await using during = await openTunnel(proxy.port, target, { early: 'hi' });
  expect((await during.contentOf(2)).toString()).toBe('hi');
  const outcome = await refreshing;
  expect(outcome).toMatchObject({ outcome: 'refused', message: expect.stringContaining(why) as string });
  const { message } = outcome as Extract<typeof outcome, { outcome: 'refused' }>;
  // Of the file, and of the place it came from; printable and in one line.
  expect(message).toMatch(/^download page: http:[\x20-\x7e]+$/);
  expect(message).toContain(`/download/${file}`);
  expect(said('ranges_refused')).toHaveLength(before + 1);
  expect(proxy.app.snapshot().generation).toBe(1);
  expect(() => folder.read('cache/ranges-public.txt')).toThrow('ENOENT');
  await using after = await openTunnel(proxy.port, target, { early: 'hi' });
  expect((await after.contentOf(2)).toString()).toBe('hi');
});
