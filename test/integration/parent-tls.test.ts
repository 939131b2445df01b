/** A parent proxy that is spoken to in TLS, and one that has a name: found by the system, verified, judged like any way out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/address/ip.ts';
import type { Certificate } from '../support/certificates.ts';
import { createAuthority, createCertificate } from '../support/certificates.ts';
import { captureClientHello } from '../support/client-hello.ts';
import { createDestination, echo, stuck } from '../support/destination.ts';
import type { Behaviour, Destination } from '../support/destination.ts';
import { answer, answerOnly, endingOf, forbidCrashes } from '../support/forwarding.ts';
import { answerHead, createParent, tunnelTo } from '../support/parent.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { openTunnel } from '../support/tunnel.ts';

forbidCrashes();

let authority: Certificate;
let leaf: Certificate;
let destination: Destination;
beforeAll(async () => {
  authority = await createAuthority();
  leaf = await createCertificate(authority, ['parent.test', '127.0.0.1']);
  destination = await createDestination(echo);
});
afterAll(() => destination.close());

const loopback = [parseAddress('127.0.0.1')!];

interface Options {
  readonly host?: string;
  readonly config?: string;
  readonly trusts?: readonly string[];
  readonly certificate?: Certificate;
  readonly lookUp?: () => Promise<typeof loopback>;
}

async function below(behaviour: Behaviour, options: Options = {}) {
  const { host = '127.0.0.1', config = 'tlsServerName: off', certificate = leaf } = options;
  const stack = new AsyncDisposableStack();
  const parent = stack.use(await createParent(behaviour, { tls: certificate }));
  const asked: string[] = [];
  const lookUp = (name: string) => {
    asked.push(name);
    return options.lookUp?.() ?? Promise.resolve(loopback);
  };
  const proxy = stack.use(
    await startProxy({
      config: `upstream: { proxy: "https://${host}:${parent.port}" }\n${config}`,
      rules: ['far.test', 'http://far.test'],
      parent: { authorities: options.trusts ?? [authority.cert], lookUp },
    }),
  );
  return { parent, proxy, asked, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe('a tunnel through a parent in TLS', () => {
  it('carries bytes both ways, half-closes kept, what came behind the head first', async () => {
    await using both = await below(tunnelTo(destination.port, 'hello, '));
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443', { early: 'early, ' });
    await tunnel.wire.write('late');
    tunnel.wire.end();
    expect((await tunnel.rest()).toString()).toBe('hello, early, late');
    expect((await both.parent.connection()).text).toMatch(/^CONNECT far\.test:443 HTTP\/1\.1\r\n/);
    expect(await both.proxy.record()).toMatchObject({
      verdict: 'allow',
      endedBy: 'client',
      bytesUp: 11,
      bytesDown: 18,
    });
  });

  it('carries many bytes whole', async () => {
    await using both = await below(tunnelTo(destination.port));
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    const sent = Buffer.alloc(8 * 1024 * 1024, 'lockdown');
    void tunnel.wire.write(sent);
    expect((await tunnel.contentOf(sent.length)).equals(sent)).toBe(true);
    tunnel.wire.end();
    await tunnel.rest();
  });

  it('has its ClientHello judged before a byte of it reaches the parent', async () => {
    await using both = await below(answerHead('HTTP/1.1 200 OK\r\n\r\nfrom behind'), { config: '' });
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    await tunnel.wire.write(await captureClientHello('evil.test'));
    expect(await tunnel.rest()).toEqual(Buffer.from([21, 3, 3, 0, 2, 2, 49]));
    tunnel.wire.end();
    const parent = await both.parent.connection();
    await endingOf(parent);
    expect(parent.text).toMatch(/^CONNECT [^\r]*\r\nHost: far\.test:443\r\nVia: [^\r]*\r\n\r\n$/);
    expect(await both.proxy.record()).toMatchObject({ reason: 'tls_name_mismatch', address: 'parent' });
  });

  it('lets the right ClientHello through', async () => {
    await using both = await below(
      answerHead('HTTP/1.1 200 OK\r\n\r\n', (wire) => wire.until('far.test').then(() => wire.write('server'))),
      { config: '' },
    );
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    const hello = await captureClientHello('far.test');
    await tunnel.wire.write(hello);
    expect((await tunnel.contentOf(6)).toString()).toBe('server');
    expect((await both.parent.connection()).received.subarray(-hello.length).equals(hello)).toBe(true);
    tunnel.wire.reset();
    expect(await both.proxy.record()).toMatchObject({ tlsServerName: 'far.test', verdict: 'allow' });
  });
});

it('plain http goes through it too', async () => {
  await using both = await below(answerOnly(answer('ok')));
  await using client = await connectRaw(both.proxy.port);
  await client.write('GET http://far.test/x HTTP/1.1\r\nConnection: close\r\n\r\n');
  expect((await client.all()).toString()).toMatch(/ok$/);
  expect((await both.parent.connection()).text).toMatch(/^GET http:\/\/far\.test\/x HTTP\/1\.1\r\n/);
});

describe('a parent that cannot be trusted', () => {
  it.each<[string, () => Promise<Options>]>([
    ['by its authority', async () => ({ trusts: [(await createAuthority()).cert] })],
    ['by its name', async () => ({ host: 'other.test' })],
    ['by its address', async () => ({ certificate: await createCertificate(authority, ['parent.test']) })],
  ])('%s is told nothing', async (_name, options) => {
    await using both = await below(stuck, await options());
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    expect(tunnel.startLine).toBe('HTTP/1.1 502 Connect failed: parent proxy');
    expect(both.parent.received.length).toBe(0);
    const { hint, reason } = await both.proxy.record();
    expect(reason).toBe('connect_failed');
    expect(hint).toMatch(/^the parent proxy https:\/\/\S+ \(.+\)$/);
  });
});

describe('a parent with a name', () => {
  it('is looked up by the system, once for many tunnels', async () => {
    await using both = await below(tunnelTo(destination.port), { host: 'parent.test' });
    for (let count = 0; count < 3; count++) {
      await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
      expect(tunnel.status).toBe(200);
      tunnel.wire.reset();
    }
    expect(both.asked).toEqual(['parent.test']);
  });

  it('that does not exist is a DNS failure, and is looked up again for the next', async () => {
    await using both = await below(stuck, {
      host: 'parent.test',
      lookUp: () => Promise.reject(new Error('getaddrinfo ENOTFOUND')),
    });
    for (let count = 0; count < 2; count++) {
      await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
      expect(tunnel.startLine).toBe('HTTP/1.1 502 DNS failed: parent proxy');
      tunnel.wire.end();
    }
    expect(both.asked).toHaveLength(2);
    expect((await both.proxy.record()).hint).toContain('getaddrinfo ENOTFOUND');
  });

  it('that the system takes too long for is a DNS timeout', async () => {
    await using both = await below(stuck, {
      host: 'parent.test',
      config: 'limits: { connectMs: 100 }',
      lookUp: () => new Promise(() => {}),
    });
    await using tunnel = await openTunnel(both.proxy.port, 'far.test:443');
    expect(tunnel.startLine).toBe('HTTP/1.1 504 DNS timeout: parent proxy');
  });
});

it('a parent that accepts and never speaks TLS is a connect timeout', async () => {
  await using silent = await createDestination(stuck);
  await using proxy = await startProxy({
    config: `upstream: { proxy: "https://127.0.0.1:${silent.port}" }\nlimits: { connectMs: 100 }`,
    rules: ['far.test'],
  });
  await using tunnel = await openTunnel(proxy.port, 'far.test:443');
  expect(tunnel.startLine).toBe('HTTP/1.1 504 Connect timeout: parent proxy');
});
