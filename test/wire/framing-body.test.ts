/** Request bodies: each is framed again for the destination, and no second request can hide in one. */
import { describe, expect, test } from 'vitest';
import { silent } from '../support/destination.ts';
import {
  answer,
  answerOnly,
  exchangeBytes,
  expectRefusal,
  fieldsOf,
  forbidCrashes,
  startForwarding,
} from '../support/forwarding.ts';

forbidCrashes();

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

/** The body of a message, its chunks joined; fails when anything stands behind its end. */
function unchunk(message: string): string {
  let rest = message.slice(message.indexOf('\r\n\r\n') + 4);
  let body = '';
  for (;;) {
    const size = Number.parseInt(/^[\da-f]+(?=\r\n)/.exec(rest)?.[0] ?? 'no chunk', 16);
    expect(size).not.toBeNaN();
    const data = rest.slice(rest.indexOf('\r\n') + 2);
    if (size === 0) {
      expect(data).toBe('\r\n');
      return body;
    }
    expect(data.slice(size, size + 2)).toBe('\r\n');
    body += data.slice(0, size);
    rest = data.slice(size + 2);
  }
}

describe.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'MERGE'])('%s with a body', (method) => {
  const respond = (end: string | RegExp) => async (wire: Parameters<ReturnType<typeof answerOnly>>[0]) => {
    await wire.until(end);
    await wire.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  };

  test('in chunks reaches the destination in chunks, as one request', async () => {
    await using forwarding = await startForwarding(respond('0\r\n\r\n'));
    const { destination, origin } = forwarding;
    const text = await exchangeBytes(
      forwarding,
      `${method} ${origin}/ HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `${smuggled.length.toString(16)}\r\n${smuggled}\r\n3\r\nend\r\n0\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const sent = destination.received.toString('latin1');
    expect(fieldsOf(sent).get('transfer-encoding')).toBe('chunked');
    expect(fieldsOf(sent).has('content-length')).toBe(false);
    expect(unchunk(sent)).toBe(`${smuggled}end`);
    expect(destination.connections).toHaveLength(1);
  });

  test('with a length reaches the destination with that length, as one request', async () => {
    await using forwarding = await startForwarding(respond(/smuggled[^]*\r\n\r\n/));
    const { destination, origin } = forwarding;
    const text = await exchangeBytes(
      forwarding,
      `${method} ${origin}/ HTTP/1.1\r\nConnection: close\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const sent = destination.received.toString('latin1');
    expect(fieldsOf(sent).get('content-length')).toBe(String(smuggled.length));
    expect(fieldsOf(sent).has('transfer-encoding')).toBe(false);
    expect(sent.slice(sent.indexOf('\r\n\r\n') + 4)).toBe(smuggled);
    expect(destination.connections).toHaveLength(1);
  });
});

describe('a malformed chunk ends the request with 400, and no byte of it is forwarded as a chunk', () => {
  test.each([
    ['a prefix before the size', '0x2\r\nhi\r\n0\r\n\r\n'],
    ['a sign before the size', '+2\r\nhi\r\n0\r\n\r\n'],
    ['a negative size', '-2\r\nhi\r\n0\r\n\r\n'],
    ['a space behind the size', '2 \r\nhi\r\n0\r\n\r\n'],
    ['no size', '\r\nhi\r\n0\r\n\r\n'],
    ['a size over 64 bits', 'fffffffffffffffff\r\nhi\r\n0\r\n\r\n'],
    ['a bare LF behind the size', '2\nhi\r\n0\r\n\r\n'],
    ['a bare CR behind the size', '2\rhi\r\n0\r\n\r\n'],
    ['a LF in an extension', '2;a\nb\r\nhi\r\n0\r\n\r\n'],
    ['a quoted line end in an extension', '2;a="\r\n"\r\nhi\r\n0\r\n\r\n'],
    ['extensions without end', `2;${'a'.repeat(20_000)}\r\nhi\r\n0\r\n\r\n`],
    ['data longer than its size', '2\r\nhiho\r\n0\r\n\r\n'],
    ['data without line end', '2\r\nhi0\r\n\r\n'],
    ['a malformed trailer', '2\r\nhi\r\n0\r\nno colon\r\n\r\n'],
    ['a length among the trailers', '2\r\nhi\r\n0\r\nContent-Length: 2\r\n\r\n'],
  ])('%s', async (_, body) => {
    await using forwarding = await startForwarding(silent);
    const { proxy, destination, origin } = forwarding;
    const text = await exchangeBytes(
      forwarding,
      `POST ${origin}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${body}${smuggled}`,
    );
    const record = await expectRefusal(proxy, text, { startLine: /^HTTP\/1\.1 400 /, reason: 'malformed_request' });
    expect(record).toMatchObject({ kind: 'forward', target: `127.0.0.1:${destination.port}`, verdict: 'deny' });
    expect(proxy.records).toHaveLength(1);
    for (const wire of destination.connections) await wire.closed;
    expect(destination.received.toString('latin1')).not.toMatch(/smuggled|0\r\n\r\n$/);
  });

  test('behind data that has gone on, the destination sees the body break off', async () => {
    await using forwarding = await startForwarding(silent);
    const { proxy, destination, origin } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`POST ${origin}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`);
    const wire = await destination.connection();
    await wire.until('2\r\nhi\r\n');
    await client.write('nonsense\r\n');
    const text = (await client.all()).toString('latin1');
    await expectRefusal(proxy, text, { startLine: /^HTTP\/1\.1 400 /, reason: 'malformed_request' });
    await wire.closed;
    expect(wire.text.endsWith('\r\n\r\n2\r\nhi\r\n')).toBe(true);
  });

  test('behind an answer that has begun, both connections end and the line says why', async () => {
    await using forwarding = await startForwarding(answerOnly('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'));
    const { proxy, destination, origin } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`POST ${origin}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`);
    await client.until('half');
    await client.write('nonsense\r\n');
    await client.all();
    const wire = await destination.connection();
    await wire.closed;
    expect(client.text.endsWith('half')).toBe(true);
    expect(await proxy.record()).toMatchObject({ status: 200, reason: 'malformed_request', verdict: 'deny' });
    expect(proxy.records).toHaveLength(1);
  });
});

test('trailers and chunk extensions end at the proxy, the body goes on whole', async () => {
  await using forwarding = await startForwarding(async (wire) => {
    await wire.until('0\r\n\r\n');
    await wire.write(answer('ok'));
  });
  const { destination, origin } = forwarding;
  await exchangeBytes(
    forwarding,
    `POST ${origin}/ HTTP/1.1\r\nConnection: close\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n` +
      '2;name=value\r\nhi\r\n0\r\nX-Sum: 1\r\nHost: elsewhere\r\n\r\n',
  );
  const sent = destination.received.toString('latin1');
  expect(unchunk(sent)).toBe('hi');
  expect(sent).not.toMatch(/X-Sum|name=value|elsewhere/i);
});

test('a body that breaks off at its end closes the destination without an end of body', async () => {
  await using forwarding = await startForwarding(silent);
  const { proxy, destination, origin } = forwarding;
  await using client = await forwarding.connect();
  await client.write(`POST ${origin}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel`);
  const wire = await destination.connection();
  await wire.until('hel');
  client.end();
  const text = (await client.all()).toString('latin1');
  await expectRefusal(proxy, text, { startLine: 'HTTP/1.1 400 Request cut off', reason: 'malformed_request' });
  await wire.closed;
  expect(wire.text).not.toContain('0\r\n\r\n');
});
