/** Large bodies through plain http: whole both ways, and no more of them in memory than is on its way. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { forbidCrashes, startForwarding } from '../support/forwarding.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestProxy } from '../support/proxy.ts';

forbidCrashes();

const total = 64 * 1024 * 1024;
const pieceBytes = 64 * 1024;
/** What the kernel's buffers of two loopback connections and the streams between them may hold. */
const onItsWay = 24 * 1024 * 1024;

/** 64 MiB of which no two pieces are alike. */
function* pieces(): Generator<Buffer> {
  for (let at = 0; at < total / pieceBytes; at++) {
    const piece = Buffer.alloc(pieceBytes, `${at} `);
    piece.writeUInt32LE(at);
    yield piece;
  }
}

function hashOf(list: Iterable<Buffer>): string {
  const hash = createHash('sha256');
  for (const piece of list) hash.update(piece);
  return hash.digest('hex');
}

async function hashBody(incoming: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of incoming) hash.update(piece);
  return hash.digest('hex');
}

const expected = hashOf(pieces());

interface Far extends AsyncDisposable {
  readonly proxy: TestProxy;
  /** Asks through the proxy; the body, if any, is still to be written. */
  ask(method: string, headers?: Record<string, string>): ClientRequest;
}

/** A destination that speaks proper HTTP, and a proxy in front of it. */
async function startFar(listener: RequestListener): Promise<Far> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const proxy = await startProxy({
    config: 'privateDestinations: ["127.0.0.0/8"]',
    rules: [`ip:127.0.0.1:${port}`],
  });
  const agent = new Agent();
  return {
    proxy,
    ask: (method, headers = {}) =>
      request({ host: '127.0.0.1', port: proxy.port, path: `http://127.0.0.1:${port}/`, method, headers, agent }),
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await proxy.app.stop(0);
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const answerTo = async (outgoing: ClientRequest): Promise<IncomingMessage> =>
  ((await once(outgoing, 'response')) as [IncomingMessage])[0];

describe('64 MiB come down whole', () => {
  test.each([
    ['with a length', { 'content-length': String(total) }],
    ['in chunks', { 'transfer-encoding': 'chunked' }],
  ])('%s', async (_, headers) => {
    await using far = await startFar((_request, response) => {
      response.writeHead(200, headers);
      Readable.from(pieces()).pipe(response);
    });
    expect(await hashBody(await answerTo(far.ask('GET').end()))).toBe(expected);
    const record = await far.proxy.record();
    expect(record).toMatchObject({ status: 200, verdict: 'allow' });
    expect(record.bytesDown).toBeGreaterThan(total);
  });

  test('up to the close', async () => {
    await using forwarding = await startForwarding(async (wire) => {
      await wire.until('\r\n\r\n');
      wire.socket.write('HTTP/1.1 200 OK\r\n\r\n');
      Readable.from(pieces()).pipe(wire.socket);
    });
    const { proxy, origin } = forwarding;
    const outgoing = request({ host: '127.0.0.1', port: proxy.port, path: `${origin}/`, agent: false });
    expect(await hashBody(await answerTo(outgoing.end()))).toBe(expected);
  });
});

describe('64 MiB go up whole', () => {
  test.each([
    ['with a length', { 'content-length': String(total) }],
    ['in chunks', { 'transfer-encoding': 'chunked' }],
    ['after 100 Continue', { 'content-length': String(total), expect: '100-continue' }],
  ])('%s', async (_, headers) => {
    await using far = await startFar((incoming, response) => {
      void hashBody(incoming).then((hash) => response.end(hash));
    });
    const outgoing = far.ask('PUT', headers);
    if ('expect' in headers) {
      outgoing.flushHeaders();
      await once(outgoing, 'continue');
    }
    Readable.from(pieces()).pipe(outgoing);
    const answered = await answerTo(outgoing);
    expect(String((await answered.toArray())[0])).toBe(expected);
    const record = await far.proxy.record();
    expect(record).toMatchObject({ status: 200, verdict: 'allow' });
    expect(record.bytesUp).toBeGreaterThan(total);
  });
});

test('64 MiB go up and come down in the same exchange', async () => {
  await using far = await startFar((incoming, response) => incoming.pipe(response));
  const outgoing = far.ask('POST', { 'transfer-encoding': 'chunked' });
  Readable.from(pieces()).pipe(outgoing);
  expect(await hashBody(await answerTo(outgoing))).toBe(expected);
});

test('a client that does not read stops the destination, and gets all of it in the end', async () => {
  let sent = 0;
  let stalled: () => void = () => undefined;
  const isStalled = new Promise<void>((resolve) => (stalled = resolve));
  await using far = await startFar((_request, response) => {
    response.writeHead(200, { 'content-length': String(total) });
    const source = Readable.from(pieces());
    let waiting: NodeJS.Timeout | undefined;
    source.on('data', (piece: Buffer) => {
      sent += piece.length;
      clearTimeout(waiting);
      if (response.write(piece)) return;
      source.pause();
      // Half a second without room on loopback: nobody takes anything any more.
      waiting = setTimeout(stalled, 500);
      response.once('drain', () => source.resume());
    });
    source.on('end', () => response.end());
  });
  const answered = await answerTo(far.ask('GET').end());
  await isStalled;
  expect(sent).toBeLessThan(onItsWay);
  expect(await hashBody(answered)).toBe(expected);
});

test('a destination that does not read stops the client, and gets all of it in the end', async () => {
  let read: (() => void) | undefined;
  await using far = await startFar((incoming, response) => {
    read = () => void hashBody(incoming).then((hash) => response.end(hash));
  });
  const outgoing = far.ask('PUT', { 'content-length': String(total) });
  let sent = 0;
  const isStalled = new Promise<void>((resolve) => {
    const source = Readable.from(pieces());
    let waiting: NodeJS.Timeout | undefined;
    source.on('data', (piece: Buffer) => {
      sent += piece.length;
      clearTimeout(waiting);
      if (outgoing.write(piece)) return;
      source.pause();
      waiting = setTimeout(resolve, 500);
      outgoing.once('drain', () => source.resume());
    });
    source.on('end', () => outgoing.end());
  });
  await isStalled;
  expect(sent).toBeLessThan(onItsWay);
  read?.();
  expect(String((await (await answerTo(outgoing)).toArray())[0])).toBe(expected);
});

test('bytes count while a download and an upload are still under way', async () => {
  await using far = await startFar((incoming, response) => {
    incoming.resume();
    // Neither of the two ever ends by itself.
    response.write(Buffer.alloc(300_000, 'x'));
  });
  const asked = far.ask('PUT', { 'transfer-encoding': 'chunked' });
  asked.on('error', () => {});
  asked.write(Buffer.alloc(200_000, 'y'));
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  let read = 0;
  await new Promise<void>((done) => {
    answer
      .on('error', () => {})
      .on('data', (piece: Buffer) => {
        read += piece.length;
        if (read === 300_000) done();
      });
  });
  const { address, port } = far.proxy.app.admin;
  const metrics = await (await fetch(`http://${address}:${port}/metrics`)).text();
  const counted = (direction: string): number =>
    Number(new RegExp(`^lockdown_proxy_bytes_total\\{direction="${direction}"\\} (\\d+)$`, 'm').exec(metrics)?.[1]);
  expect(counted('down')).toBeGreaterThanOrEqual(300_000);
  expect(counted('up')).toBeGreaterThan(100_000);
  asked.destroy();
});
