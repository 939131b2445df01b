/** CONNECT through a parent proxy: the bytes that the parent gets, and what each of its answers becomes. */
import { describe, expect, it } from 'vitest';
import { createDestination, echo, silent, stuck } from '../support/destination.ts';
import type { Behaviour } from '../support/destination.ts';
import { endingOf, expectRefusal, forbidCrashes } from '../support/forwarding.ts';
import { answerHead, createParent, tunnelTo } from '../support/parent.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { openTunnel, readAnswer } from '../support/tunnel.ts';

forbidCrashes();

const secret = 'ours:parent-word';
const token = Buffer.from(secret).toString('base64');
const established = 'HTTP/1.1 200 OK\r\n\r\n';

/** A proxy below a parent that behaves so; what flows in its tunnels need not be TLS. */
async function below(behaviour: Behaviour, options: { config?: string; upstream?: string; rules?: string[] } = {}) {
  const stack = new AsyncDisposableStack();
  const parent = stack.use(await createParent(behaviour));
  const { config = '', upstream = '', rules = ['far.test'] } = options;
  const proxy = stack.use(
    await startProxy({
      config: `tlsServerName: off\nupstream: { proxy: "http://127.0.0.1:${parent.port}"${upstream} }\n${config}`,
      rules,
      files: { credential: `${secret}\n` },
    }),
  );
  return { parent, proxy, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('the parent is asked', () => {
  it('for the host by name, with our name in Via and nothing of the client beside it', async () => {
    await using both = await below(answerHead(established));
    await using client = await connectRaw(both.proxy.port);
    await client.write(
      'CONNECT FAR.test.:443 HTTP/1.1\r\nHost: far.test:443\r\nUser-Agent: x\r\nVia: 1.0 before\r\n' +
        'Proxy-Authorization: Basic Y2xpZW50OnNlY3JldA==\r\nCookie: c\r\n\r\n',
    );
    expect(await client.until('\r\n\r\n')).toBe('HTTP/1.1 200 Connection established\r\n\r\n');
    const { text } = await both.parent.connection();
    expect(text).toMatch(
      /^CONNECT far\.test:443 HTTP\/1\.1\r\nHost: far\.test:443\r\nVia: 1\.0 before, 1\.1 lockdown-proxy-[0-9a-f]{8}\r\n\r\n$/,
    );
  });

  it('with our own credential where there is one, which is in no log', async () => {
    await using both = await below(answerHead(established), { upstream: ', credentialsFile: ./credential' });
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    expect(tunnel.status).toBe(200);
    const { text } = await both.parent.connection();
    expect(text).toContain(`\r\nProxy-Authorization: Basic ${token}\r\n`);
    tunnel.wire.reset();
    const told = JSON.stringify([await both.proxy.record(), both.proxy.said, both.proxy.app.snapshot().config]);
    expect(told).not.toContain('parent-word');
    expect(told).not.toContain(token);
  });

  it.each([
    ['an address target', 'CONNECT 20.1.2.3:443', ['ip:20.1.0.0/16'], 'CONNECT 20.1.2.3:443 ', '20.1.2.3:443'],
    [
      'an IPv6 one',
      'CONNECT [2603:1030:0::1]:443',
      ['ip:2603:1030::/32'],
      'CONNECT [2603:1030::1]:443 ',
      '[2603:1030::1]:443',
    ],
  ])('for %s by that address, judged as ever', async (_name, line, rules, asked, address) => {
    await using both = await below(answerHead(established), { rules });
    await using client = await connectRaw(both.proxy.port);
    await client.write(`${line} HTTP/1.1\r\n\r\n`);
    await client.until('\r\n\r\n');
    expect((await both.parent.connection()).text).toContain(asked);
    client.reset();
    expect(await both.proxy.record()).toMatchObject({ verdict: 'allow', address });
  });

  it.each([
    ['an address that no rule has', 'CONNECT 20.1.2.3:443', 'not_on_allowlist'],
    ['instance metadata', 'CONNECT 169.254.169.254:80', 'azure_platform_address'],
    ['a private address', 'CONNECT 10.1.2.3:443', 'address_private'],
    ['a name that no rule has', 'CONNECT other.test:443', 'not_on_allowlist'],
  ])('for nothing where %s is refused here', async (_name, line, reason) => {
    await using both = await below(answerHead(established), { rules: ['far.test', 'ip:10.0.0.0/8'] });
    await using client = await connectRaw(both.proxy.port);
    await client.write(`${line} HTTP/1.1\r\n\r\n`);
    const text = (await client.all()).toString('latin1');
    await expectRefusal(both.proxy, text, { startLine: /^HTTP\/1\.1 403 /, reason });
    expect(both.parent.connections).toEqual([]);
  });

  it('for nothing where the CONNECT has been here before', async () => {
    await using both = await below(answerHead(established));
    await using client = await connectRaw(both.proxy.port);
    await client.write('CONNECT far.test:443 HTTP/1.1\r\nVia: 1.1 a, 1.1 LOCKDOWN-proxy (again)\r\n\r\n');
    const text = (await client.all()).toString('latin1');
    await expectRefusal(both.proxy, text, { startLine: 'HTTP/1.1 502 Loop detected', reason: 'loop_detected' });
    expect(both.parent.connections).toEqual([]);
  });
});

it('two of these proxies in a row are no loop', async () => {
  await using first = await startProxy({ rules: ['far.test'], config: 'tlsServerName: off' });
  await using own = await startProxy({
    rules: ['far.test'],
    config: `tlsServerName: off\nupstream: { proxy: "http://127.0.0.1:${first.port}" }`,
  });
  // The parent fails for its own reason, and its words arrive.
  await using tunnel = await openTunnel(own.port, 'far.test:443');
  expect(tunnel.startLine).toContain('502 Parent proxy refused: 502 DNS failed: far.test');
  expect(await first.record()).toMatchObject({ reason: 'dns_failed' });
});

describe('what comes behind the head of the parent', () => {
  it('reaches the client once, behind our own, in whatever pieces the head came', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nX-Cache: none\r\nContent-Length: 5\r\n\r\nfirst bytes of the destination';
    const inPieces: Behaviour = async (wire) => {
      await wire.until('\r\n\r\n');
      for (const byte of answer.slice(0, 60)) await wire.write(byte);
      await wire.write(answer.slice(60));
      wire.end('.');
    };
    await using both = await below(inPieces);
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    expect(tunnel.startLine).toBe('HTTP/1.1 200 Connection established');
    expect([...tunnel.fields]).toEqual([]);
    expect((await tunnel.rest()).toString()).toBe('first bytes of the destination.');
    tunnel.wire.end();
    expect(await both.proxy.record()).toMatchObject({ bytesDown: 31, endedBy: 'destination', verdict: 'allow' });
  });

  it('and what the client sent early flow both ways, half-closes kept', async () => {
    await using destination = await createDestination(echo);
    await using both = await below(tunnelTo(destination.port, 'hello, '));
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443', { early: 'early, ' });
    await tunnel.wire.write('late');
    tunnel.wire.end();
    expect((await tunnel.rest()).toString()).toBe('hello, early, late');
    expect(destination.received.toString()).toBe('early, late');
  });
});

describe('an answer of the parent', () => {
  it.each([
    [
      '407',
      'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="p"\r\n\r\n',
      '502 Parent proxy wants credentials',
      'upstream_proxy_auth',
    ],
    [
      '403',
      'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno',
      '502 Parent proxy refused: 403 Forbidden',
      'upstream_proxy_refused',
    ],
    [
      '503 in HTTP/1.0',
      'HTTP/1.0 503 Service Unavailable\r\n\r\n',
      '502 Parent proxy refused: 503 Service Unavailable',
      'upstream_proxy_refused',
    ],
    [
      '302 without a phrase',
      'HTTP/1.1 302\r\nLocation: http://x/\r\n\r\n',
      '502 Parent proxy refused: 302',
      'upstream_proxy_refused',
    ],
    [
      '403 with bytes beyond ASCII',
      'HTTP/1.1 403 \xe4\x9b\r\n\r\n',
      '502 Parent proxy refused: 403 ??',
      'upstream_proxy_refused',
    ],
    ['101', 'HTTP/1.1 101 Switching\r\n\r\n', '502 Invalid response: parent proxy, status 101', 'response_invalid'],
    ['SSH', 'SSH-2.0-OpenSSH\r\n', '502 Invalid response: parent proxy, not HTTP/1', 'response_invalid'],
    ['TLS', '\x15\x03\x01\x00\x02\x02\x46', '502 Invalid response: parent proxy, not HTTP/1', 'response_invalid'],
    [
      'a bare LF',
      'HTTP/1.1 200 OK\nX: y\r\n\r\n',
      '502 Invalid response: parent proxy, malformed status line',
      'response_invalid',
    ],
    [
      'a folded field',
      'HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n',
      '502 Invalid response: parent proxy, malformed field',
      'response_invalid',
    ],
    [
      'a head without end',
      `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(20_000)}`,
      '502 Invalid response: parent proxy, head too large',
      'response_invalid',
    ],
  ])('%s is a 502 that says so, and never a challenge of ours', async (_name, answer, startLine, reason) => {
    await using both = await below(answerHead(answer));
    await using client = await connectRaw(both.proxy.port);
    await client.write('CONNECT far.test:443 HTTP/1.1\r\n\r\nearly bytes');
    const text = (await client.all()).toString('latin1');
    const record = await expectRefusal(both.proxy, text, { startLine: `HTTP/1.1 ${startLine}`, reason });
    expect(text.toLowerCase()).not.toContain('proxy-authenticate');
    expect(record).toMatchObject({ verdict: 'error', address: 'parent', rule: expect.stringContaining('rules.txt:2') });
    expect(record.authFailure).toBe(reason === 'upstream_proxy_auth' ? 'upstream' : null);
    const parent = await both.parent.connection();
    await endingOf(parent);
    expect(parent.text).not.toContain('early bytes');
  });

  it('that refuses our credential names the file to mend', async () => {
    await using both = await below(answerHead('HTTP/1.1 407 No\r\n\r\n'), {
      upstream: ', credentialsFile: ./credential',
    });
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    expect(tunnel.status).toBe(502);
    const { hint } = await both.proxy.record();
    expect(hint).toBe(`http://127.0.0.1:${both.parent.port} refuses our credential: mend upstream.credentialsFile`);
  });

  it('skips interim ones before it', async () => {
    await using both = await below(answerHead(`HTTP/1.1 100 Continue\r\n\r\n${established}tail`, (wire) => wire.end()));
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    expect((await tunnel.rest()).toString()).toBe('tail');
  });
});

describe('a parent', () => {
  it('that says nothing is a connect timeout', async () => {
    await using both = await below(stuck, { config: 'limits: { connectMs: 100 }' });
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    expect(tunnel.startLine).toBe('HTTP/1.1 504 Connect timeout: parent proxy');
    await endingOf(await both.parent.connection());
  });

  it('that closes without an answer, or in the middle of one, failed to connect', async () => {
    await using both = await below((wire) => wire.end('HTTP/1.1 200'));
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    expect(tunnel.startLine).toBe('HTTP/1.1 502 Connect failed: parent proxy closed');
    const { hint } = await both.proxy.record();
    expect(hint).toBe(`the parent proxy http://127.0.0.1:${both.parent.port}`);
  });

  it('that is not there refused, and the client does not learn where it is', async () => {
    await using both = await below(silent);
    await both.parent.close();
    await using client = await connectRaw(both.proxy.port);
    await client.write('CONNECT far.test:443 HTTP/1.1\r\n\r\n');
    const text = (await client.all()).toString('latin1');
    const record = await expectRefusal(both.proxy, text, {
      startLine: 'HTTP/1.1 502 Connection refused: parent proxy',
      reason: 'connect_refused',
    });
    expect(text).not.toContain(String(both.parent.port));
    expect(record.hint).toContain(`http://127.0.0.1:${both.parent.port} (connect ECONNREFUSED`);
  });

  it('is let go when the client goes', async () => {
    await using both = await below(stuck);
    await using client = await connectRaw(both.proxy.port);
    await client.write('CONNECT far.test:443 HTTP/1.1\r\n\r\n');
    const parent = await both.parent.connection();
    await parent.until('\r\n\r\n');
    client.reset();
    await endingOf(parent);
    expect(await both.proxy.record()).toMatchObject({ endedBy: 'client' });
  });
});

it('a name that a parent without our allowlist would take is judged here all the same', async () => {
  await using both = await below(answerHead(established), { rules: ['far.test', 'deny bad.far.test', '*.far.test'] });
  await using client = await connectRaw(both.proxy.port);
  await client.write('CONNECT bad.far.test:443 HTTP/1.1\r\n\r\n');
  const answer = await readAnswer(client);
  expect(answer.startLine).toBe('HTTP/1.1 403 Denied by rule rules.txt:3');
  expect(both.parent.connections).toEqual([]);
});
