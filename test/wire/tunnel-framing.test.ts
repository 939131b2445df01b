/** CONNECT among the bytes around it: bodies, early bytes, pipelines, heads too large or too slow, other protocols. */
import { expect, test } from 'vitest';
import { buildClientHello } from '../support/client-hello.ts';
import { answerWith, createDestination, echo, silent } from '../support/destination.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw, parseMessage } from '../support/raw-client.ts';
import { openTunnel, plainLoopback, readAnswer } from '../support/tunnel.ts';

test.for([
  ['a body length', 'Content-Length: 5\r\n', 'Content-Length in CONNECT'],
  ['two lengths', 'Content-Length: 0\r\nContent-Length: 0\r\n', ''],
  ['a signed length', 'Content-Length: +5\r\n', ''],
  ['a list of lengths', 'Content-Length: 0, 0\r\n', ''],
  ['chunks', 'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding in CONNECT'],
  ['chunks and a length', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', ''],
  ['an unknown coding', 'Transfer-Encoding: xchunked\r\n', ''],
  ['a folded field', 'X-A: b\r\n c\r\n', ''],
  ['a space before a colon', 'X-A : b\r\n', ''],
  ['a bare CR', 'X-A: b\rc\r\n', ''],
  ['a NUL', 'X-A: b\0c\r\n', ''],
  ['an empty field name', ': b\r\n', ''],
  ['a line that is no field', 'nonsense\r\n', ''],
  ['a bare LF as line end', 'X-A: b\nX-B: c\r\n', ''],
] as const)('a CONNECT with %s is malformed: 400, close, nothing at the destination', async ([, fields, phrase]) => {
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using wire = await connectRaw(proxy.port);
  await wire.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n${fields}\r\nhello`);
  const answer = await readAnswer(wire);
  expect(answer.startLine).toContain(`HTTP/1.1 400 ${phrase}`);
  expect(answer.fields.get('connection')).toBe('close');
  await answer.rest();
  wire.end();
  expect(await proxy.record()).toMatchObject({ verdict: 'deny', reason: 'malformed_request', status: 400 });
  expect(destination.connections).toHaveLength(0);
});

test('a CONNECT in HTTP/1.0 with no fields, as waagent and urllib send it, opens a tunnel', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using wire = await connectRaw(proxy.port);
  await wire.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.0\r\n\r\n`);
  const tunnel = await readAnswer(wire);
  expect(tunnel.status).toBe(200);
  await wire.write('hello');
  expect((await tunnel.contentOf(5)).toString()).toBe('hello');
});

test('the 200 of a tunnel has no body length, no coding and no body', async () => {
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  expect(tunnel.startLine).toBe('HTTP/1.1 200 Connection established');
  expect([...tunnel.fields.keys()]).not.toContain('content-length');
  expect([...tunnel.fields.keys()]).not.toContain('transfer-encoding');
  tunnel.wire.end();
  expect((await tunnel.rest()).length).toBe(0);
});

test('bytes behind a CONNECT that is refused reach nobody', async () => {
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({ config: plainLoopback, rules: ['https://known.test'] });
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`, {
    early: 'GET / HTTP/1.1\r\n\r\n',
  });
  expect(tunnel.status).toBe(403);
  // One answer alone: what came behind the CONNECT is no request of its own.
  expect((await tunnel.rest()).toString()).not.toContain('HTTP/1.1');
  expect(destination.connections).toHaveLength(0);
  await proxy.app.stop(0);
  expect(proxy.records).toHaveLength(1);
});

test('bytes behind a CONNECT that is allowed are forwarded once and in order', async () => {
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using wire = await connectRaw(proxy.port);
  const head = `CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\n`;
  const upload = Buffer.alloc(300_000, '0123456789abcdefghijklm');
  wire.end(Buffer.concat([Buffer.from(head), upload]));
  const tunnel = await readAnswer(wire);
  expect(tunnel.status).toBe(200);
  const far = await destination.connection();
  expect((await far.all()).equals(upload)).toBe(true);
  expect((await tunnel.rest()).length).toBe(0);
  expect(await proxy.record()).toMatchObject({ bytesUp: upload.length });
});

test('a head that comes byte by byte is read as if it had come at once', async () => {
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({ config: plainLoopback, rules: [`ip:127.0.0.1:${destination.port}`] });
  await using wire = await connectRaw(proxy.port);
  for (const byte of `CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\nearly`) await wire.write(byte);
  const tunnel = await readAnswer(wire);
  expect((await tunnel.contentOf(5)).toString()).toBe('early');
});

test('a CONNECT behind a GET that is not yet answered closes the connection and opens no tunnel', async () => {
  await using slow = await createDestination(silent);
  await using destination = await createDestination(silent);
  await using proxy = await startProxy({
    config: plainLoopback,
    rules: [`ip:127.0.0.1:${slow.port},${destination.port}`],
  });
  await using wire = await connectRaw(proxy.port);
  const get = `GET http://127.0.0.1:${slow.port}/ HTTP/1.1\r\nHost: 127.0.0.1:${slow.port}\r\n\r\n`;
  await wire.write(`${get}CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\nhello`);
  expect((await wire.all()).toString()).not.toContain('200');
  await proxy.app.stop(0);
  expect(proxy.records.map((record) => record.reason)).toContain('malformed_request');
  expect(destination.connections).toHaveLength(0);
});

test('a CONNECT behind a GET that was answered opens a tunnel that outlives keepAliveMs', async () => {
  await using web = await createDestination(answerWith('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  await using destination = await createDestination(echo);
  await using proxy = await startProxy({
    config: `${plainLoopback}limits: { keepAliveMs: 50, idleMs: 2000 }`,
    rules: [`ip:127.0.0.1:${web.port},${destination.port}`],
  });
  await using wire = await connectRaw(proxy.port);
  await wire.write(`GET http://127.0.0.1:${web.port}/ HTTP/1.1\r\nHost: 127.0.0.1:${web.port}\r\n\r\n`);
  const first = await wire.until('ok');
  await wire.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n\r\n`);
  const both = await wire.until(/ok[^]*\r\n\r\n/);
  expect(parseMessage(both.slice(first.length)).status).toBe(200);
  await wire.all();
  // Only the tunnel's own idle timer may have ended it.
  expect(await proxy.record(1)).toMatchObject({ kind: 'tunnel', endedBy: 'idle', status: 200 });
});

test('TLS on the plain port is answered with 400 that says so', async () => {
  await using proxy = await startProxy({ config: plainLoopback });
  await using wire = await connectRaw(proxy.port);
  await wire.write(buildClientHello({ serverName: 'proxy.test' }));
  expect((await readAnswer(wire)).startLine).toBe('HTTP/1.1 400 TLS on the plain proxy port');
  wire.end();
  const record = await proxy.record();
  expect(record).toMatchObject({ kind: 'connection', reason: 'malformed_request', status: 400 });
  expect(record.hint).toContain('http://');
});

test.for([
  ['a target over headerBytes', `CONNECT ${'a'.repeat(9000)}.test:443 HTTP/1.1\r\n\r\n`, 414],
  ['fields over headerBytes', `CONNECT far.test:443 HTTP/1.1\r\nX-A: ${'a'.repeat(9000)}\r\n\r\n`, 431],
  ['many small fields over headerBytes', `CONNECT far.test:443 HTTP/1.1\r\n${'a: b\r\n'.repeat(5000)}\r\n`, 431],
  ['a version of its own', 'CONNECT far.test:443 HTTP/3.0\r\n\r\n', 400],
  ['no version, as HTTP/0.9 had none', 'CONNECT far.test:443\r\n\r\n', 400],
  ['version 2 in version 1', 'CONNECT far.test:443 HTTP/2.0\r\n\r\n', 400],
  ['a method in lower case', 'connect far.test:443 HTTP/1.1\r\n\r\n', 400],
] as const)('%s is refused without a look-up', async ([, head, status]) => {
  await using proxy = await startProxy({ config: 'limits: { headerBytes: 8192 }', rules: ['https://far.test'] });
  await using wire = await connectRaw(proxy.port);
  await wire.write(head);
  const answer = await readAnswer(wire);
  expect(answer.status).toBe(status);
  await answer.rest();
  wire.end();
  expect(await proxy.record()).toMatchObject({ reason: 'malformed_request', status, dnsMs: null });
});

test('a head that does not come within headerMs is answered with 408', async () => {
  await using proxy = await startProxy({ config: 'limits: { headerMs: 300 }', rules: ['https://far.test'] });
  await using wire = await connectRaw(proxy.port);
  await wire.write('CONNECT far.test:443 HTTP/1.1\r\nX-Slow: ');
  const answer = await readAnswer(wire);
  expect(answer.startLine).toBe('HTTP/1.1 408 Request Timeout');
  const record = await proxy.record();
  expect(record).toMatchObject({ reason: 'request_timeout', status: 408 });
});

test('a client that says nothing is closed after headerMs, without a line', async () => {
  await using proxy = await startProxy({ config: 'limits: { headerMs: 300 }', rules: ['https://far.test'] });
  await using silent = await connectRaw(proxy.port);
  expect(await silent.all()).toHaveLength(0);
  await using leaving = await connectRaw(proxy.port);
  leaving.end();
  expect(await leaving.all()).toHaveLength(0);
  await using asking = await connectRaw(proxy.port);
  await asking.write('CONNECT not.test:443 HTTP/1.1\r\n\r\n');
  expect(await proxy.record()).toMatchObject({ kind: 'tunnel', target: 'not.test:443' });
});
