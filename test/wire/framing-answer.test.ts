/** What destinations answer, well and badly: a clean result or 502, a live process, and nothing of it in a next answer. */
import { describe, expect, test } from 'vitest';
import {
  answer,
  answerEach,
  answerOnly,
  endingOf,
  exchangeBytes,
  expectRefusal,
  fieldsOf,
  forbidCrashes,
  startForwarding,
} from '../support/forwarding.ts';
import { answerWith, resetAfter } from '../support/destination.ts';

forbidCrashes();

const request = (origin: string, fields = ''): string =>
  `GET ${origin}/ HTTP/1.1\r\nConnection: close\r\n${fields}\r\n`;
const ok = 'HTTP/1.1 200 OK\r\n';

describe('an answer that cannot be passed on becomes 502 response_invalid', () => {
  test.each<readonly [string, string]>([
    ['a length beside chunks', `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['chunks beside a length', `${ok}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`],
    ['two different lengths', `${ok}Content-Length: 5\r\nContent-Length: 2\r\n\r\nhello`],
    ['a list of lengths', `${ok}Content-Length: 5, 5\r\n\r\nhello`],
    ['a negative length', `${ok}Content-Length: -5\r\n\r\nhello`],
    ['a length that could be octal', `${ok}Content-Length: 005\r\n\r\nhello`],
    ['a coding without chunks', `${ok}Transfer-Encoding: gzip\r\n\r\nhi`],
    ['a coding before chunked', `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`],
    ['a coding behind chunked', `${ok}Transfer-Encoding: chunked, gzip\r\n\r\n2\r\nhi\r\n0\r\n\r\n`],
    ['chunks on HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'],
    ['a malformed chunk at once', `${ok}Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n`],
    ['status 099', 'HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n'],
    ['status 000', 'HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n'],
    ['status 600', 'HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n'],
    ['status 999', 'HTTP/1.1 999 High\r\nContent-Length: 0\r\n\r\n'],
    ['status 1000', 'HTTP/1.1 1000 Long\r\nContent-Length: 0\r\n\r\n'],
    ['status 20', 'HTTP/1.1 20 Short\r\nContent-Length: 0\r\n\r\n'],
    ['a 101 nobody asked for', 'HTTP/1.1 101 Up\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes'],
    ['a 101 without Upgrade', 'HTTP/1.1 101 Up\r\n\r\nbytes'],
    ['more interim answers than the cap', `${'HTTP/1.1 103 Early\r\n\r\n'.repeat(17)}${answer('late')}`],
    ['HTTP/2.0', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi'],
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['a body without head', 'hello'],
    ['a head of more than 16 KiB', `${ok}X: ${'a'.repeat(20_000)}\r\nContent-Length: 2\r\n\r\nhi`],
    ['more fields than are handed over', `${ok}${'a:\r\n'.repeat(1500)}Content-Length: 2\r\n\r\nhi`],
    ['a folded field', `${ok}X: a\r\n b\r\nContent-Length: 2\r\n\r\nhi`],
    ['a space before a colon', `${ok}X : a\r\nContent-Length: 2\r\n\r\nhi`],
    ['a NUL in a value', `${ok}X: a\0b\r\nContent-Length: 2\r\n\r\nhi`],
    ['a control byte in a value', `${ok}X: a\x01b\r\nContent-Length: 2\r\n\r\nhi`],
    ['a bare CR in a value', `${ok}X: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nhi`],
    ['lines that end in LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nhi'],
    ['a bare CR in the reason', 'HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\nhi'],
    ['nothing', ''],
    ['half a head', `${ok}Content-Le`],
    ['interim answers and nothing else', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ])('%s', async (_, bytes) => {
    await using forwarding = await startForwarding(answerWith(bytes));
    const { proxy, origin, destination } = forwarding;
    const text = await exchangeBytes(forwarding, request(origin));
    const record = await expectRefusal(proxy, text, {
      startLine: /^HTTP\/1\.1 502 Invalid response: \S/,
      reason: 'response_invalid',
    });
    expect(record).toMatchObject({ verdict: 'error', kind: 'forward', bytesDown: bytes.length });
    expect(record.bytesUp).toBe(destination.received.length);
    expect(proxy.records).toHaveLength(1);
  });

  test('a reset before the answer', async () => {
    await using forwarding = await startForwarding(resetAfter('\r\n\r\n'));
    const { proxy, origin } = forwarding;
    const text = await exchangeBytes(forwarding, request(origin));
    await expectRefusal(proxy, text, { startLine: /^HTTP\/1\.1 502 /, reason: 'response_invalid' });
  });
});

describe('a reason phrase of a destination never reaches the client', () => {
  test.each(['Fine', '', 'O\x01K', 'O\0K', '\xe9\x9b\x1b[31m', 'a'.repeat(8000)])('%j', async (reason) => {
    await using forwarding = await startForwarding(answerOnly(`HTTP/1.1 202 ${reason}\r\nContent-Length: 2\r\n\r\nhi`));
    const text = await exchangeBytes(forwarding, request(forwarding.origin));
    expect(text).toMatch(/^HTTP\/1\.1 202 Accepted\r\n/);
    expect(text.endsWith('\r\n\r\nhi')).toBe(true);
  });
});

describe('what a destination sends behind its answer reaches nobody', () => {
  test.each([
    ['a second answer', answer('poison')],
    ['garbage', 'garbage\r\n\r\n'],
    ['a megabyte', 'x'.repeat(1024 * 1024)],
  ])('%s', async (_, extra) => {
    let count = 0;
    await using forwarding = await startForwarding(async (wire) => {
      await wire.until('\r\n\r\n');
      await wire.write(answer(`answer ${++count}`) + extra);
    });
    const { proxy, origin, destination } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`GET ${origin}/1 HTTP/1.1\r\n\r\n`);
    await client.until('answer 1');
    await client.write(`GET ${origin}/2 HTTP/1.1\r\nConnection: close\r\n\r\n`);
    const text = (await client.all()).toString('latin1');
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
    expect(text.endsWith('\r\n\r\nanswer 2')).toBe(true);
    expect(text).not.toMatch(/poison|garbage|xx/);
    expect(destination.connections).toHaveLength(2);
    await proxy.record(1);
    expect(proxy.records.map(({ reason }) => reason)).toEqual([null, null]);
  });
});

test('interim answers up to the cap are dropped', async () => {
  await using forwarding = await startForwarding(
    answerOnly(`${'HTTP/1.1 103 Early\r\nLink: x\r\n\r\n'.repeat(16)}${answer('done')}`),
  );
  const text = await exchangeBytes(forwarding, request(forwarding.origin));
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(text).not.toContain('103');
  expect(text.endsWith('done')).toBe(true);
});

describe('an answer that breaks off after its head does not look whole', () => {
  test.each([
    ['with a length', 'HTTP/1.1', `${ok}Content-Length: 10\r\n\r\nhalf`, 'closed'],
    ['in chunks', 'HTTP/1.1', `${ok}Transfer-Encoding: chunked\r\n\r\n9\r\nhalf`, 'closed'],
    [
      'to an HTTP/1.0 client, who knows the end by the close',
      'HTTP/1.0',
      `${ok}Content-Length: 10\r\n\r\nhalf`,
      'reset',
    ],
  ])('%s', async (_, version, bytes, ending) => {
    await using forwarding = await startForwarding(async (wire) => {
      await wire.until('\r\n\r\n');
      await wire.write(bytes);
    });
    const { proxy, origin, destination } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`GET ${origin}/ ${version}\r\n\r\n`);
    await client.until('half');
    (await destination.connection()).socket.destroy();
    expect(await endingOf(client)).toBe(ending);
    expect(client.text).not.toMatch(/0\r\n\r\n$/);
    // The proxy's name in Via is made by chance, and may hold any digits.
    expect(client.text.replace(/lockdown-proxy-[0-9a-f]+/, '')).not.toContain('502');
    expect(await proxy.record()).toMatchObject({
      status: 200,
      verdict: 'error',
      reason: 'response_invalid',
      endedBy: 'error',
    });
    expect(proxy.records).toHaveLength(1);
  });

  test('by a malformed chunk', async () => {
    await using forwarding = await startForwarding(async (wire) => {
      await wire.until('\r\n\r\n');
      await wire.write(`${ok}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`);
    });
    const { proxy, origin, destination } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`GET ${origin}/ HTTP/1.1\r\n\r\n`);
    await client.until('half');
    await (await destination.connection()).write('zz\r\n');
    await client.all();
    expect(client.text).not.toMatch(/0\r\n\r\n$/);
    expect(await proxy.record()).toMatchObject({ status: 200, reason: 'response_invalid' });
  });
});

describe('answers without a body keep their fields and end with their head', () => {
  test.each([
    ['HEAD', `${ok}Content-Length: 200\r\n\r\n`, 200, '200'],
    ['HEAD', `${ok}Transfer-Encoding: chunked\r\n\r\n`, 200, undefined],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 200\r\n\r\n', 304, '200'],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', 204, undefined],
    ['GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello', 204, undefined],
    ['GET', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 204, undefined],
  ])('%s: %j', async (method, bytes, status, length) => {
    let count = 0;
    await using forwarding = await startForwarding(answerEach(() => (count++ === 0 ? bytes : answer('second'))));
    const { origin } = forwarding;
    await using client = await forwarding.connect();
    await client.write(`${method} ${origin}/ HTTP/1.1\r\n\r\nGET ${origin}/ HTTP/1.1\r\nConnection: close\r\n\r\n`);
    const [first = '', ...others] = (await client.all()).toString('latin1').split('\r\n\r\n');
    expect(first).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(fieldsOf(`${first}\r\n\r\n`).get('content-length')).toBe(length);
    expect(fieldsOf(`${first}\r\n\r\n`).has('transfer-encoding')).toBe(false);
    expect(others).toEqual([expect.stringMatching(/^HTTP\/1\.1 200 OK\r\n/), 'second']);
  });
});

describe('a body is framed for the client that asked', () => {
  test.each([
    ['1.1', `${ok}\r\nhello`, '5\r\nhello\r\n0\r\n\r\n'],
    ['1.0', `${ok}\r\nhello`, 'hello'],
    ['1.1', `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`, '5\r\nhello\r\n0\r\n\r\n'],
    ['1.0', `${ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n`, 'hello'],
    ['1.1', 'HTTP/1.0 200 OK\r\n\r\nhello', '5\r\nhello\r\n0\r\n\r\n'],
    ['1.0', `${ok}Content-Length: 5\r\n\r\nhello`, 'hello'],
    ['1.0', `${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n`, 'hello'],
    ['1.0', `${ok}Transfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(9)}0\r\n\r\n`, 'x'.repeat(9)],
  ])('HTTP/%s: %j', async (version, bytes, body) => {
    await using forwarding = await startForwarding(answerWith(bytes));
    const text = await exchangeBytes(
      forwarding,
      `GET ${forwarding.origin}/ HTTP/${version}\r\nConnection: close\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toBe(body);
    expect(fieldsOf(text).has('transfer-encoding')).toBe(version === '1.1');
    expect(fieldsOf(text).get('connection')).toBe('close');
  });
});

test('the head of an answer goes out before its body comes', async () => {
  await using forwarding = await startForwarding(async (wire) => {
    await wire.until('\r\n\r\n');
    await wire.write(`${ok}Content-Length: 4\r\n\r\n`);
  });
  await using client = await forwarding.connect();
  await client.write(request(forwarding.origin));
  expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  await (await forwarding.destination.connection()).write('body');
  expect((await client.all()).toString('latin1').endsWith('\r\n\r\nbody')).toBe(true);
});
