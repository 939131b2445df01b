/** Plain http through a parent proxy: the request as the parent gets it, byte for byte, and its answer as the client gets it. */
import { describe, expect, it } from 'vitest';
import type { Behaviour } from '../support/destination.ts';
import { answer, answerOnly, endingOf, expectRefusal, fieldsOf, forbidCrashes } from '../support/forwarding.ts';
import { answerHead, createParent } from '../support/parent.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { createTempFolder } from '../support/temp-folder.ts';

forbidCrashes();

const token = Buffer.from('ours:parent-word').toString('base64');

/** A proxy below a parent that behaves so. */
async function below(behaviour: Behaviour, rules: readonly string[] = ['http://far.test'], hosts = '') {
  const stack = new AsyncDisposableStack();
  const parent = stack.use(await createParent(behaviour));
  const folder = stack.use(createTempFolder());
  const proxy = stack.use(
    await startProxy({
      config: `upstream: { proxy: "http://127.0.0.1:${parent.port}", credentialsFile: ./credential }`,
      rules,
      files: { credential: 'ours:parent-word\n' },
      resolver: { servers: ['127.0.0.1:9'], hostsFile: folder.write('hosts', hosts) },
    }),
  );
  return {
    parent,
    proxy,
    async ask(bytes: string): Promise<string> {
      await using client = await connectRaw(proxy.port);
      await client.write(bytes);
      return (await client.all()).toString('latin1');
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const fieldsBehind = (via: string): string =>
  `Via: 1.1 ${via}\r\nProxy-Authorization: Basic ${token}\r\nConnection: close\r\n\r\n`;

describe('the parent gets', () => {
  it.each([
    ['GET http://far.test/a//b/%2F?q=1&sig=s', 'GET http://far.test/a//b/%2F?q=1&sig=s'],
    ['GET http://FAR.test.:80', 'GET http://far.test/'],
    ['HEAD http://far.test/x', 'HEAD http://far.test/x'],
    ['OPTIONS http://far.test', 'OPTIONS http://far.test'],
    ['DELETE http://far.test?x', 'DELETE http://far.test/?x'],
  ])('the whole URL of %s, our credential and no field of the hop before', async (line, asked) => {
    await using both = await below(answerOnly(answer(line.startsWith('HEAD') ? '' : 'ok')));
    const text = await both.ask(
      `${line} HTTP/1.1\r\nHost: lie.test\r\nProxy-Authorization: Basic Y2xpZW50OnNlY3JldA==\r\n` +
        'Proxy-Connection: keep-alive\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nX-Own: 2\r\n\r\n',
    );
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const { text: got } = await both.parent.connection();
    const via = /Via: 1\.1 (lockdown-proxy-[0-9a-f]{8})\r\n/.exec(got)?.[1] ?? '';
    expect(got).toBe(`${asked} HTTP/1.1\r\nHost: far.test\r\nX-Own: 2\r\n${fieldsBehind(via)}`);
    expect(await both.proxy.record()).toMatchObject({ verdict: 'allow', address: 'parent', status: 200, dnsMs: null });
  });

  it('a body framed as it came', async () => {
    await using both = await below(answerOnly(answer('ok')));
    await both.ask(
      'DELETE http://far.test/d HTTP/1.1\r\nHost: far.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    );
    const { text } = await both.parent.connection();
    expect(fieldsOf(text).get('transfer-encoding')).toBe('chunked');
    expect(text).toMatch(/\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/);
  });

  it('an address target as a URL too', async () => {
    await using both = await below(answerOnly(answer('ok')), ['http://20.1.2.3:8080']);
    await both.ask('GET http://20.1.2.3:8080/x HTTP/1.1\r\nConnection: close\r\n\r\n');
    expect((await both.parent.connection()).text).toMatch(
      /^GET http:\/\/20\.1\.2\.3:8080\/x HTTP\/1\.1\r\nHost: 20\.1\.2\.3:8080\r\n/,
    );
    expect(await both.proxy.record()).toMatchObject({ address: '20.1.2.3:8080' });
  });

  it('a CONNECT where a rule asks for the address, and the request inside it with its own Host', async () => {
    const tunnelled: Behaviour = async (wire) => {
      const head = await wire.until('\r\n\r\n');
      await wire.write('HTTP/1.1 200 OK\r\n\r\n');
      await wire.until(new RegExp(`^[\\s\\S]{${head.length}}[\\s\\S]*\\r\\n\\r\\n`));
      await wire.write(answer('inside'));
      await wire.all();
      wire.end();
    };
    await using both = await below(tunnelled, ['http://far.test within ip:20.1.0.0/16'], '20.1.2.3 far.test\n');
    const text = await both.ask('GET http://far.test/x HTTP/1.1\r\nHost: far.test\r\nConnection: close\r\n\r\n');
    expect(text).toMatch(/inside$/);
    const { text: got } = await both.parent.connection();
    const inside = got.slice(got.indexOf('\r\n\r\n') + 4);
    expect(got).toMatch(/^CONNECT 20\.1\.2\.3:80 HTTP\/1\.1\r\nHost: 20\.1\.2\.3:80\r\n/);
    expect(inside).toMatch(/^GET \/x HTTP\/1\.1\r\nHost: far\.test\r\n/);
    expect(inside.toLowerCase()).not.toContain('proxy-authorization');
    expect(await both.proxy.record()).toMatchObject({ address: '20.1.2.3:80', status: 200 });
  });
});

describe('of the parent the client gets', () => {
  it('no 407: it is about our credential', async () => {
    const refusing = answerHead('HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\n\r\n');
    await using both = await below(refusing);
    const text = await both.ask('GET http://far.test/ HTTP/1.1\r\nHost: far.test\r\n\r\n');
    const record = await expectRefusal(both.proxy, text, {
      startLine: 'HTTP/1.1 502 Parent proxy wants credentials',
      reason: 'upstream_proxy_auth',
    });
    expect(record).toMatchObject({ verdict: 'error', authFailure: 'upstream' });
    expect(record.hint).toContain('refuses our credential: mend upstream.credentialsFile');
    expect(text.toLowerCase()).not.toContain('proxy-authenticate');
    await endingOf(await both.parent.connection());
  });

  it('any other answer as it is, without its fields for us', async () => {
    const body = 'the parent says no';
    const sent = `HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR\r\nProxy-Status: p\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    await using both = await below(answerOnly(sent));
    const text = await both.ask('GET http://far.test/ HTTP/1.1\r\nHost: far.test\r\nConnection: close\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 403 Forbidden\r\nX-Squid-Error: ERR\r\n/);
    expect(text.endsWith(body)).toBe(true);
    expect(text).not.toContain('Proxy-Status');
    expect(await both.proxy.record()).toMatchObject({ verdict: 'allow', status: 403 });
  });

  it('a 502 where it breaks off', async () => {
    await using both = await below(answerHead('HTTP/1.1 200', (wire) => wire.end()));
    const text = await both.ask('GET http://far.test/ HTTP/1.1\r\nHost: far.test\r\n\r\n');
    await expectRefusal(both.proxy, text, {
      startLine: /^HTTP\/1\.1 502 Invalid response/,
      reason: 'response_invalid',
    });
  });
});

it('a request that has been here before goes to no parent', async () => {
  await using both = await below(answerOnly(answer('ok')));
  const text = await both.ask('GET http://far.test/ HTTP/1.1\r\nHost: far.test\r\nVia: 1.1 lockdown-proxy\r\n\r\n');
  await expectRefusal(both.proxy, text, { startLine: 'HTTP/1.1 502 Loop detected', reason: 'loop_detected' });
  expect(both.parent.connections).toEqual([]);
});
