import { describe, expect, test } from 'vitest';

import {
  checkConnectFields,
  checkForwardFields,
  fieldValues,
  requestFields,
  responseFields,
  viaHasName,
} from '../../../src/message/fields.ts';
import { parseAuthorityForm } from '../../../src/message/request-target.ts';
import type { Target } from '../../../src/message/request-target.ts';

const own = { host: 'a.example', via: 'lockdown', httpVersion: '1.1' };

function target(text: string): Target {
  const parsed = parseAuthorityForm(text);
  if (!parsed.ok) throw new TypeError(parsed.message);
  return parsed.value;
}

/** A list as one entry a name, spelled as first sent. */
function byName(list: readonly string[]): Record<string, string | string[]> {
  const record: Record<string, string | string[]> = Object.create(null);
  for (let at = 0; at < list.length; at += 2) {
    const [name = '', value = ''] = list.slice(at, at + 2);
    const known = Object.keys(record).find((key) => key.toLowerCase() === name.toLowerCase());
    record[known ?? name] = known === undefined ? value : [record[known] ?? [], value].flat();
  }
  return record;
}

/** The fields of `lines` as a destination gets them, without the Host and Via that are always added. */
function forwarded(...raw: string[]): Record<string, unknown> {
  const { Host: _host, Via: _via, ...others } = byName(requestFields(raw, own));
  return others;
}

describe('the Host field of a CONNECT names the target or is absent', () => {
  test.each([
    ['a.example:443', []],
    ['a.example:443', ['a.example']],
    ['a.example:443', ['A.Example.']],
    ['a.example:443', ['a.example:443']],
    ['[2603:1030::1]:443', ['[2603:1030:0::1]']],
    ['[2603:1030::1]:443', ['[2603:1030::1]:443']],
    ['1.2.3.4:443', ['[::ffff:1.2.3.4]']],
  ])('%s with %j passes', (text, hosts) => {
    const raw = hosts.flatMap((host) => ['Host', host]);
    expect(checkConnectFields(raw, target(text))).toBeNull();
  });

  test.each(['b.example', 'a.example:80', 'a.example:', 'a.example:0443', '', 'u@a.example', 'a.example, a.example'])(
    '%j is refused',
    (host) => {
      expect(checkConnectFields(['Host', host], target('a.example:443'))).toBe(
        'Host field differs from CONNECT target',
      );
    },
  );

  test('two are refused even when they agree', () => {
    expect(checkConnectFields(['Host', 'a.example', 'host', 'a.example'], target('a.example:443'))).toBe(
      'Several Host fields',
    );
  });
});

describe('a CONNECT announces no body', () => {
  test.each([
    [['Content-Length', '0'], null],
    [['Content-Length', '5'], 'Content-Length in CONNECT'],
    [['Content-Length', '+0'], 'Content-Length in CONNECT'],
    [['Content-Length', ''], 'Content-Length in CONNECT'],
    [['Content-Length', '0', 'content-length', '0'], 'Content-Length in CONNECT'],
    [['Transfer-Encoding', 'chunked'], 'Transfer-Encoding in CONNECT'],
    [['transfer-encoding', 'identity'], 'Transfer-Encoding in CONNECT'],
  ])('%j: %s', (raw, expected) => {
    expect(checkConnectFields(raw, target('a.example:443'))).toBe(expected);
  });
});

describe('a request passes only with one unambiguous framing', () => {
  test.each<readonly [string, readonly string[], string | null]>([
    ['1.1', [], null],
    ['1.0', [], null],
    ['1.1', ['Host', 'lie.example'], null],
    ['1.1', ['Content-Length', '0'], null],
    ['1.1', ['Content-Length', '9007199254740991'], null],
    ['1.0', ['Content-Length', '5'], null],
    ['1.1', ['Transfer-Encoding', 'chunked'], null],
    ['1.1', ['Transfer-Encoding', 'Chunked'], null],
    ['1.1', ['Host', 'a', 'hOST', 'a'], 'Several Host fields'],
    ['1.0', ['Transfer-Encoding', 'chunked'], 'Transfer-Encoding on HTTP/1.0'],
    ['1.1', ['Transfer-Encoding', 'chunked', 'Content-Length', '5'], 'Transfer-Encoding and Content-Length'],
    ['1.1', ['Content-Length', '0', 'Transfer-Encoding', 'chunked'], 'Transfer-Encoding and Content-Length'],
    ...['xchunked', 'gzip, chunked', 'chunked, chunked', 'identity', '', 'chunked;q=1', '\vchunked', 'chunked\0'].map(
      (coding) => ['1.1', ['Transfer-Encoding', coding], 'Transfer-Encoding other than chunked'] as const,
    ),
    ['1.1', ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], 'Transfer-Encoding other than chunked'],
    ['1.1', ['Content-Length', '5', 'Content-Length', '5'], 'Several Content-Length fields'],
    ['1.1', ['Content-Length', '5', 'content-LENGTH', '6'], 'Several Content-Length fields'],
    ...['5, 5', '+5', '-5', '0x5', '5.0', '5 ', '', '1e2', '\u0665', '9007199254740993'].map(
      (length) => ['1.1', ['Content-Length', length], 'Malformed Content-Length'] as const,
    ),
  ])('HTTP/%s %j: %s', (httpVersion, raw, expected) => {
    expect(checkForwardFields(raw, httpVersion)).toBe(expected);
  });
});

describe('what belongs to one connection or to the proxy does not reach the destination', () => {
  test.each([
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'Upgrade',
    'Expect',
    'Proxy-Authorization',
    'proxy-authenticate',
    'Proxy-Anything',
  ])('%s', (name) => {
    expect(forwarded(name, 'x', 'Accept', '*/*')).toEqual({ Accept: '*/*' });
  });

  test('nor what any Connection or Proxy-Connection line names', () => {
    const raw = ['Connection', 'close, X-Foo', 'X-Foo', '1', 'x-bar', '2', 'CONNECTION', ' x-BAR ,, ', 'X-Baz', '3'];
    expect(forwarded(...raw, 'Proxy-Connection', 'X-Baz', 'Accept', '*/*', 'x-FOO', '4')).toEqual({ Accept: '*/*' });
  });

  test('but a Connection line takes away neither the framing nor Host nor Via', () => {
    const raw = ['Connection', 'host, content-length, transfer-encoding, via', 'Host', 'lie', 'Via', '1.0 fred'];
    expect(byName(requestFields([...raw, 'Content-Length', '5'], own))).toEqual({
      Host: 'a.example',
      'Content-Length': '5',
      Via: '1.0 fred, 1.1 lockdown',
    });
    expect(byName(requestFields([...raw, 'Transfer-Encoding', 'chunked'], own))).toEqual({
      Host: 'a.example',
      'Transfer-Encoding': 'chunked',
      Via: '1.0 fred, 1.1 lockdown',
    });
  });
});

describe('what is forwarded', () => {
  test('Host comes first and from the URL, whatever the client said', () => {
    const raw = ['Accept', '*/*', 'HOST', 'lie.example'];
    const fields = byName(requestFields(raw, { ...own, host: 'a.example:8080' }));
    expect(Object.entries(fields)[0]).toEqual(['Host', 'a.example:8080']);
    expect(Object.keys(fields)).toEqual(['Host', 'Accept', 'Via']);
  });

  test('fields of one name are kept apart and in order, under the spelling that came first', () => {
    expect(forwarded('X-Ms-Date', 'a', 'Cookie', '1', 'x-ms-date', 'b', 'X-MS-DATE', 'c')).toEqual({
      'X-Ms-Date': ['a', 'b', 'c'],
      Cookie: '1',
    });
  });

  test('Via is added behind the elements that came, with the version the request came in', () => {
    const raw = ['VIA', '1.1 a, 1.0 b', 'Via', '', 'via', '1.1 c'];
    expect(byName(requestFields(raw, { ...own, httpVersion: '1.0' }))).toEqual({
      Host: 'a.example',
      Via: '1.1 a, 1.0 b, 1.1 c, 1.0 lockdown',
    });
  });

  test('a chunked body stays chunked, and a length beside it goes', () => {
    expect(forwarded('transfer-encoding', 'CHUNKED', 'Content-Length', '5')).toEqual({
      'Transfer-Encoding': 'chunked',
    });
    expect(forwarded('Content-Length', '5')).toEqual({ 'Content-Length': '5' });
  });

  test('a field may be called like a property that every object has', () => {
    const fields = byName(requestFields(['__proto__', 'x', 'constructor', 'y', '__PROTO__', 'z'], own));
    expect(Object.entries(fields)).toEqual([
      ['Host', 'a.example'],
      ['__proto__', ['x', 'z']],
      ['constructor', 'y'],
      ['Via', '1.1 lockdown'],
    ]);
  });
});

describe('the answer to the client', () => {
  test('keeps its lines in order and gets our Via', () => {
    const raw = ['Date', 'now', 'Set-Cookie', 'a', 'set-cookie', 'b', 'Via', '1.1 cdn', 'Content-Length', '5'];
    expect(responseFields(raw, own)).toEqual([
      'Date',
      'now',
      'Set-Cookie',
      'a',
      'set-cookie',
      'b',
      'Content-Length',
      '5',
      'Via',
      '1.1 cdn, 1.1 lockdown',
    ]);
  });

  test('loses what belonged to the connection with the destination', () => {
    const raw = ['Connection', 'X-Foo', 'X-Foo', '1', 'Connection', 'x-bar', 'X-Bar', '2', 'Keep-Alive', 'timeout=5'];
    expect(responseFields([...raw, 'Upgrade', 'h2c', 'Trailer', 'X-Sum', 'Age', '1'], own)).toEqual([
      'Age',
      '1',
      'Via',
      '1.1 lockdown',
    ]);
  });

  test.each(['Proxy-Authenticate', 'Proxy-Authentication-Info', 'Proxy-Status', 'Proxy-Connection'])(
    'has no %s of the destination',
    (name) => {
      expect(responseFields([name, 'x'], own)).toEqual(['Via', '1.1 lockdown']);
    },
  );

  test('keeps its length, even when a Connection line names it, unless a transfer coding overrides it', () => {
    expect(responseFields(['Connection', 'content-length', 'Content-Length', '5'], own)).toEqual([
      'Content-Length',
      '5',
      'Via',
      '1.1 lockdown',
    ]);
    expect(responseFields(['Transfer-Encoding', 'chunked', 'content-length', '5'], own)).toEqual([
      'Via',
      '1.1 lockdown',
    ]);
  });
});

describe('a request that has been here before is known by its Via', () => {
  test.each([
    [['Via', '1.1 lockdown'], true],
    [['via', '1.0 fred, HTTP/1.1 LockDown (v1)'], true],
    [['Via', '1.0 fred', 'Via', '1.1\tlockdown'], true],
    [['Via', '1.1  lockdown:3128'], true],
    [['Via', '1.1 lockdown2'], false],
    [['Via', '1.1 fred (via, 1.1 lockdown, 1.0 x)'], false],
    [['Via', 'lockdown'], false],
    [['Via', ''], false],
    [['X-Via', '1.1 lockdown'], false],
    [[], false],
  ])('%j: %s', (raw, expected) => {
    expect(viaHasName(raw, ['LOCKDOWN', 'lockdown:3128'])).toBe(expected);
  });
});

test('the values of a field are found under any case, in order', () => {
  expect(fieldValues(['X-A', '1', 'x-b', 'x-a', 'X-a', '2'], 'x-a')).toEqual(['1', '2']);
});
