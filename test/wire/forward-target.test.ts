/** The request target of plain http: which forms are taken, what goes on byte for byte, and what the rules see. */
import { describe, expect, test } from 'vitest';
import { createDestination } from '../support/destination.ts';
import {
  answer,
  answerOnly,
  exchangeBytes,
  expectRefusal,
  fieldsOf,
  forbidCrashes,
  startForwarding,
} from '../support/forwarding.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { createTempFolder } from '../support/temp-folder.ts';

forbidCrashes();

describe('a target that is no http URL gets 400, and nothing is dialled', () => {
  test.each([
    ['GET', '/', 'Send the whole URL to a proxy, like http://host/path'],
    ['GET', '/http://127.0.0.1/', 'Send the whole URL to a proxy, like http://host/path'],
    ['OPTIONS', '*', 'Send the whole URL to a proxy, like http://host/path'],
    ['GET', 'https://127.0.0.1/', 'Use CONNECT for https URLs'],
    ['GET', 'HTTPS://127.0.0.1:443/', 'Use CONNECT for https URLs'],
    ['GET', 'ftp://127.0.0.1/', 'Only http URLs are forwarded'],
    ['GET', 'ws://127.0.0.1/', 'Only http URLs are forwarded'],
    ['GET', 'http://', 'Host missing in URL'],
    ['GET', 'http:///path', 'Host missing in URL'],
    ['GET', 'http://user:pass@127.0.0.1/', 'Userinfo in URL'],
    ['GET', 'http://2130706433/', 'Malformed IPv4 address in URL'],
    ['GET', 'http://0x7f.1/', 'Malformed IPv4 address in URL'],
    ['GET', 'http://127.1/', 'Malformed IPv4 address in URL'],
    ['GET', 'http://127.0.0.1:0/', 'Port in URL not 1 to 65535'],
    ['GET', 'http://127.0.0.1:65536/', 'Port in URL not 1 to 65535'],
    ['GET', 'http://127.0.0.1:080/', 'Port in URL not 1 to 65535'],
    ['GET', 'http://127.0.0.1:/', 'Port missing in URL'],
    ['GET', 'http://a..b/', 'Malformed host in URL'],
  ])('%s %s', async (method, target, phrase) => {
    await using forwarding = await startForwarding();
    const text = await exchangeBytes(forwarding, `${method} ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const record = await expectRefusal(forwarding.proxy, text, {
      startLine: `HTTP/1.1 400 ${phrase}`,
      reason: 'malformed_request',
    });
    expect(JSON.stringify(record)).not.toContain('pass');
    expect(forwarding.destination.connections).toHaveLength(0);
    expect(forwarding.proxy.records).toHaveLength(1);
  });

  test.each(['http://caf\xe9/', 'http://127.0.0.1/\xe9', 'http://127.0.0.1/#x', 'http:127.0.0.1/', 'http:/127.0.0.1/'])(
    'GET %j',
    async (target) => {
      await using forwarding = await startForwarding();
      const text = await exchangeBytes(forwarding, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await expectRefusal(forwarding.proxy, text, { startLine: /^HTTP\/1\.1 400 \S/, reason: 'malformed_request' });
      expect(forwarding.destination.connections).toHaveLength(0);
    },
  );
});

describe('the path goes on byte for byte', () => {
  test.each([
    ['', '/'],
    ['/', '/'],
    ['//', '//'],
    ['/a//b///c', '/a//b///c'],
    ['/a/../b/./c', '/a/../b/./c'],
    ['/..%2f..%2F', '/..%2f..%2F'],
    ['/%2e%2E/%00/%', '/%2e%2E/%00/%'],
    ['/a;b=c,d@e:f', '/a;b=c,d@e:f'],
    ['/a?x=http://h//y&sig=%2B+1', '/a?x=http://h//y&sig=%2B+1'],
    ['/a?b?c?', '/a?b?c?'],
    ['?q', '?q'],
  ])('%j', async (sent, expected) => {
    await using forwarding = await startForwarding();
    const { origin, destination, proxy } = forwarding;
    const text = await exchangeBytes(forwarding, `GET ${origin}${sent} HTTP/1.1\r\nConnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const line = destination.received.toString('latin1').split('\r\n')[0];
    expect(line).toBe(`GET ${expected.startsWith('?') ? `/${expected}` : expected} HTTP/1.1`);
    const { path } = await proxy.record();
    expect(path).toBe((expected.startsWith('?') ? '/' : expected).split('?')[0]);
    expect(JSON.stringify(proxy.records)).not.toContain('sig=');
  });

  test('OPTIONS without path asks about the server as a whole', async () => {
    await using forwarding = await startForwarding();
    await exchangeBytes(forwarding, `OPTIONS ${forwarding.origin} HTTP/1.1\r\nConnection: close\r\n\r\n`);
    expect(forwarding.destination.received.toString()).toMatch(/^OPTIONS \* HTTP\/1\.1\r\n/);
  });
});

describe('the Host field is written from the URL, whatever the client said', () => {
  test.each([
    'Host: elsewhere\r\n',
    'Host:\r\n',
    '',
    'host: 127.0.0.1:1\r\n',
    'Connection: host\r\nHost: elsewhere\r\n',
  ])('%j', async (field) => {
    await using forwarding = await startForwarding();
    const { origin, destination } = forwarding;
    await exchangeBytes(forwarding, `GET ${origin}/ HTTP/1.1\r\n${field}Connection: close\r\n\r\n`);
    const sent = destination.received.toString('latin1');
    expect(fieldsOf(sent).get('host')).toBe(`127.0.0.1:${destination.port}`);
    expect(sent.match(/^host:/gim)).toHaveLength(1);
    expect(sent).not.toContain('elsewhere');
  });

  test('a name is sent as it was judged: lower case, without trailing dot', async () => {
    using folder = createTempFolder();
    const hostsFile = folder.write('hosts', '127.0.0.1 store.example\n');
    await using destination = await createDestination(answerOnly(answer('ok')));
    await using proxy = await startProxy({
      config: 'privateDestinations: ["127.0.0.0/8"]',
      rules: [`http://store.example:${destination.port}`],
      resolver: { servers: ['127.0.0.1:9'], hostsFile },
    });
    await using client = await connectRaw(proxy.port);
    await client.write(`GET HTTP://Store.EXAMPLE.:${destination.port}/A HTTP/1.1\r\nConnection: close\r\n\r\n`);
    expect((await client.all()).toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const sent = destination.received.toString();
    expect(sent).toMatch(/^GET \/A HTTP\/1\.1\r\n/);
    expect(fieldsOf(sent).get('host')).toBe(`store.example:${destination.port}`);
    expect(await proxy.record()).toMatchObject({
      target: `store.example:${destination.port}`,
      address: `127.0.0.1:${destination.port}`,
    });
  });
});

describe('rules see the path as sent and normalised, and a disagreement refuses', () => {
  const ask = async (rules: (at: string) => readonly string[], path: string) => {
    using folder = createTempFolder();
    const hostsFile = folder.write('hosts', '127.0.0.1 store.example\n');
    await using destination = await createDestination(answerOnly(answer('ok')));
    const at = `store.example:${destination.port}`;
    await using proxy = await startProxy({
      config: 'privateDestinations: ["127.0.0.0/8"]',
      rules: rules(at),
      resolver: { servers: ['127.0.0.1:9'], hostsFile },
    });
    await using client = await connectRaw(proxy.port);
    await client.write(`GET http://${at}${path} HTTP/1.1\r\nConnection: close\r\n\r\n`);
    await client.all();
    const { reason } = await proxy.record();
    expect(destination.connections).toHaveLength(reason === null ? 1 : 0);
    return reason;
  };

  test.each([
    ['/public/x', null],
    ['/public/', null],
    ['/public/x?../private', null],
    ['/public/../private', 'not_on_allowlist'],
    ['/public/%2e%2e/private', 'not_on_allowlist'],
    ['/public/..%2fprivate', 'not_on_allowlist'],
    ['/public/..%5cprivate', 'not_on_allowlist'],
    ['/public/..\\private', 'not_on_allowlist'],
    ['//public/x', 'not_on_allowlist'],
    ['/x/../public/y', 'not_on_allowlist'],
    ['/%70ublic/x', 'not_on_allowlist'],
    ['/Public/x', 'not_on_allowlist'],
    ['', 'not_on_allowlist'],
  ])('a rule for /public/* and %j: %s', async (path, reason) => {
    expect(await ask((at) => [`http://${at}/public/*`], path)).toBe(reason);
  });

  test.each([
    ['/open', null],
    ['/secret/x', 'denied_by_rule'],
    ['//secret/x', 'denied_by_rule'],
    ['/a/../secret/x', 'denied_by_rule'],
    ['/%73ecret/x', 'denied_by_rule'],
    ['/a/..%2Fsecret%2Fx', 'denied_by_rule'],
  ])('a deny for /secret/* and %j: %s', async (path, reason) => {
    expect(await ask((at) => [`http://${at}`, `deny http://${at}/secret/*`], path)).toBe(reason);
  });
});
