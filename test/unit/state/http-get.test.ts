/** What the proxy itself fetches, over a server on loopback. */
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { httpGet } from '../../../src/state/http-get.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/feed`));
  });
}

const bounds = { timeoutMs: 5000, maxBytes: 1000 };

test('gives status, fields and body, and sends the fields given', async () => {
  const url = await serve((request, response) => {
    response
      .writeHead(404, { etag: '"1"' })
      .end(`${request.method} ${request.url} ${String(request.headers['metadata'])}`);
  });
  const response = await httpGet(url, { ...bounds, headers: { Metadata: 'true' } });
  expect(response).toMatchObject({ status: 404, body: 'GET /feed true' });
  expect(response.headers['etag']).toBe('"1"');
});

test('follows no redirect unless told to', async () => {
  const asked: (string | undefined)[] = [];
  const url = await serve((request, response) => {
    asked.push(request.url);
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  expect((await httpGet(url, bounds)).status).toBe(302);
  expect(asked).toEqual(['/feed']);
});

test.each([
  ['with its length', true],
  ['in chunks', false],
])('an answer larger than allowed, %s, fails', async (_how, hasLength) => {
  const url = await serve((_request, response) => {
    if (hasLength) response.setHeader('content-length', 1001);
    response.write('x'.repeat(500));
    response.end('x'.repeat(501));
  });
  await expect(httpGet(url, bounds)).rejects.toThrow(/max|size|more than/i);
  await expect(httpGet(url, { ...bounds, maxBytes: 1001 })).resolves.toMatchObject({ status: 200 });
});

test('an answer that does not come, or does not end, fails when its time is up', async () => {
  const silent = await serve(() => {});
  await expect(httpGet(silent, { ...bounds, timeoutMs: 50 })).rejects.toThrow(/time|abort|within/i);
  const endless = await serve((_request, response) => void response.write('begun'));
  await expect(httpGet(endless, { ...bounds, timeoutMs: 50 })).rejects.toThrow(/time|abort|within/i);
});

test('a server that is not there fails', async () => {
  const url = await serve(() => {});
  await new Promise((resolve) => servers[0]!.close(resolve));
  await expect(httpGet(url, bounds)).rejects.toThrow('ECONNREFUSED');
});

test('keeps no connection open', async () => {
  const url = await serve((_request, response) => response.end('done'));
  await httpGet(url, bounds);
  // Waits for every connection to be closed: one kept alive would hold it back until the test times out.
  await expect(new Promise((resolve) => servers[0]!.close(() => resolve('closed')))).resolves.toBe('closed');
});

test('goes past a proxy that the environment names', async () => {
  const asked: (string | undefined)[] = [];
  const proxy = await serve((request, response) => {
    asked.push(request.url);
    response.end('proxy');
  });
  const url = await serve((_request, response) => response.end('direct'));
  const before = process.env['http_proxy'];
  process.env['http_proxy'] = proxy;
  try {
    expect((await httpGet(url, bounds)).body).toBe('direct');
    expect(asked).toEqual([]);
  } finally {
    if (before === undefined) delete process.env['http_proxy'];
    else process.env['http_proxy'] = before;
  }
});
