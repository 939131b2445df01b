import { describe, expect, test } from 'vitest';

import {
  normalisePath,
  parseAbsoluteForm,
  parseAuthorityForm,
  parseHost,
} from '../../../src/message/request-target.ts';

const message = (result: { ok: boolean; message?: string }): string | undefined => result.message;
const long = 'a'.repeat(63);

describe('CONNECT asks for host and port', () => {
  test.each([
    ['a.example:443', 'a.example:443'],
    ['A.Example.:443', 'a.example:443'],
    ['xn--bcher-kva.example:443', 'xn--bcher-kva.example:443'],
    ['_dmarc.a-b.example:1', '_dmarc.a-b.example:1'],
    ['localhost:65535', 'localhost:65535'],
    ['0x7f.example:443', '0x7f.example:443'],
    ['1.2.3.4:443', '1.2.3.4:443'],
    ['1.2.3.4.:443', '1.2.3.4:443'],
    ['[2603:1030:0::1]:443', '[2603:1030::1]:443'],
    ['[::ffff:169.254.169.254]:80', '169.254.169.254:80'],
    [`${long}.${long}.${long}.${'a'.repeat(61)}.:443`, `${long}.${long}.${long}.${'a'.repeat(61)}:443`],
  ])('%s is %s', (text, expected) => {
    const parsed = parseAuthorityForm(text);
    expect(parsed.ok && parsed.value.text).toBe(expected);
  });

  test('an address is given as one, a name is not', () => {
    expect(parseAuthorityForm('[2603:1030::1]:443')).toEqual({
      ok: true,
      value: {
        host: '2603:1030::1',
        address: { family: 6, text: '2603:1030::1', words: [0x26031030, 0, 0, 1] },
        port: 443,
        text: '[2603:1030::1]:443',
      },
    });
    expect(parseAuthorityForm('A.Example:8443')).toEqual({
      ok: true,
      value: { host: 'a.example', address: null, port: 8443, text: 'a.example:8443' },
    });
  });

  test.each([
    ['', 'Host missing in CONNECT target'],
    ['host', 'Port missing in CONNECT target'],
    ['host:', 'Port missing in CONNECT target'],
    ['[::1]', 'Port missing in CONNECT target'],
    [':443', 'Host missing in CONNECT target'],
    ['.:443', 'Host missing in CONNECT target'],
    ...['0', '65536', '99999999999', '+443', '-1', '0443', 'https', '443 ', '4４3', '1e3', '0x1bb'].map((port) => [
      `host:${port}`,
      'Port in CONNECT target not 1 to 65535',
    ]),
    ['u:p@host:443', 'Userinfo in CONNECT target'],
    ['@host:443', 'Userinfo in CONNECT target'],
    ['http://h:443/', 'CONNECT target must be host:port, not a URL'],
    ['https://h', 'CONNECT target must be host:port, not a URL'],
    ...['h:443/x', '/', '*', 'h:443?x', 'h:443#x', '*.example:443'].map((text) => [
      text,
      'CONNECT target must be host:port',
    ]),
    ...[
      '[host]:443',
      '[[host]]:443',
      '[1.2.3.4]:443',
      '[::1%eth0]:443',
      '[::1]x:443',
      '[:443',
      '[::1:443',
      '[]:443',
    ].map((text) => [text, 'Not an IPv6 address in brackets in CONNECT target']),
    ...['::1:443', '2603:1030::1'].map((text) => [text, 'IPv6 address without brackets in CONNECT target']),
    ...['b\u00fccher.example:443', '\uff11\uff12\uff17.0.0.1:443', 'a\u3002example:443', '\u212a:443'].map((text) => [
      text,
      'Host not ASCII, send its xn-- form in CONNECT target',
    ]),
    ...[
      'host..:443',
      '.host:443',
      'a..b:443',
      'a b:443',
      'a%2eb:443',
      'a\\b:443',
      'a\0:443',
      'g:h:443',
      'a\r\nb:443',
    ].map((text) => [text, 'Malformed host in CONNECT target']),
    [`${'a'.repeat(64)}.example:443`, 'Malformed host in CONNECT target'],
    [`${long}.${long}.${long}.${'a'.repeat(62)}:443`, 'Malformed host in CONNECT target'],
    ...[
      '2130706433',
      '0x7f.1',
      '0x7f000001',
      '0177.0.0.1',
      '127.1',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '0x',
      'a.0X7F',
      'example.1',
      '017700000001.',
    ].map((host) => [`${host}:443`, 'Malformed IPv4 address in CONNECT target']),
  ])('%j is refused: %s', (text, expected) => {
    expect(message(parseAuthorityForm(text))).toBe(expected);
  });
});

describe('a plain request carries a whole http URL', () => {
  test.each([
    ['http://h', '/', null, '/', 'h'],
    ['http://h/', '/', null, '/', 'h'],
    ['HTTP://H.:80/a', '/a', null, '/a', 'h'],
    ['http://h:8080/a?b=c?d', '/a', 'b=c?d', '/a?b=c?d', 'h:8080'],
    ['http://h:443/', '/', null, '/', 'h:443'],
    ['http://h?', '/', '', '/?', 'h'],
    ['http://h?x', '/', 'x', '/?x', 'h'],
    ['http://h//a/%2F/../b', '//a/%2F/../b', null, '//a/%2F/../b', 'h'],
    ['http://h/a@b:c\\d|%zz', '/a@b:c\\d|%zz', null, '/a@b:c\\d|%zz', 'h'],
    ['http://[2603:1030::1]/', '/', null, '/', '[2603:1030::1]'],
    ['http://[2603:1030::1]:81/', '/', null, '/', '[2603:1030::1]:81'],
    ['http://[::ffff:1.2.3.4]/', '/', null, '/', '1.2.3.4'],
  ])('%s', (text, path, query, requestPath, authority) => {
    const parsed = parseAbsoluteForm(text, 'GET');
    expect(parsed).toMatchObject({ ok: true, value: { path, query, requestPath, authority } });
  });

  test('the target is the host and port of the URL, port 80 unless written', () => {
    expect(parseAbsoluteForm('http://A.example/', 'GET')).toMatchObject({
      value: { target: { host: 'a.example', address: null, port: 80, text: 'a.example:80' } },
    });
    expect(parseAbsoluteForm('http://[::ffff:169.254.169.254]:81/', 'GET')).toMatchObject({
      value: { target: { host: '169.254.169.254', port: 81, text: '169.254.169.254:81' } },
    });
  });

  test.each([
    ['OPTIONS', 'http://h', '*'],
    ['OPTIONS', 'http://h/', '/'],
    ['OPTIONS', 'http://h?x', '/?x'],
    ['GET', 'http://h', '/'],
    ['options', 'http://h', '/'],
  ])('%s %s asks the destination for %s', (method, text, requestPath) => {
    expect(parseAbsoluteForm(text, method)).toMatchObject({ ok: true, value: { requestPath } });
  });

  test.each([
    ['https://h/', 'Use CONNECT for https URLs'],
    ['HTTPS://h/', 'Use CONNECT for https URLs'],
    ...['/', '/x', '*', '', '//h/', 'h/x', '?x'].map((text) => [
      text,
      'Send the whole URL to a proxy, like http://host/path',
    ]),
    ...['ftp://h/', 'ws://h/', 'file:///etc/passwd', 'h:80'].map((text) => [text, 'Only http URLs are forwarded']),
    ...['http:h', 'http:/h', 'http:'].map((text) => [text, 'Malformed URL']),
    ...['http://h/#a', 'http://h#a', 'http://h/?a#b'].map((text) => [text, 'Fragment in URL']),
    ['http://u:p@h/', 'Userinfo in URL'],
    ['http://h:80@169.254.169.254/', 'Userinfo in URL'],
    ['http:///x', 'Host missing in URL'],
    ['http://', 'Host missing in URL'],
    ['http://h:/', 'Port missing in URL'],
    ['http://h:080/', 'Port in URL not 1 to 65535'],
    ['http://h:0/', 'Port in URL not 1 to 65535'],
    ['http://2130706433/', 'Malformed IPv4 address in URL'],
    ['http://h\\@x/', 'Userinfo in URL'],
    ['http://h\\x/', 'Malformed host in URL'],
    ['http://::1/', 'IPv6 address without brackets in URL'],
    ['http://h\u00e9/', 'Host not ASCII, send its xn-- form in URL'],
    ...['/a b', '/\u00e9', '/a\tb', '/a\r\nb', '/\x7f', '/?\0', '/?a b', '/?\u2028'].map((path) => [
      `http://h${path}`,
      'URL has a character that must be percent-encoded',
    ]),
  ])('%j is refused: %s', (text, expected) => {
    expect(message(parseAbsoluteForm(text, 'GET'))).toBe(expected);
  });
});

test('a host is read alone with the same grammar', () => {
  expect(parseHost('Acct.Blob.core.windows.net.')).toEqual({
    ok: true,
    value: { host: 'acct.blob.core.windows.net', address: null },
  });
  expect(parseHost('[::1]')).toMatchObject({ ok: true, value: { host: '::1', address: { family: 6 } } });
  expect(message(parseHost('::1'))).toBe('IPv6 address without brackets');
  expect(message(parseHost('a.example:443'))).toBe('Malformed host');
  expect(message(parseHost('*'))).toBe('Malformed host');
});

describe('for matching rules, a path is read as the most lenient destination would', () => {
  test.each([
    ['/a/b', '/a/b'],
    ['/', '/'],
    ['/A', '/A'],
    ['//', '/'],
    ['/a//b', '/a/b'],
    ['/a/./b/../c', '/a/c'],
    ['/a/.', '/a/'],
    ['/a/b/..', '/a/'],
    ['/a/', '/a/'],
    ['/..', '/'],
    ['/../../a', '/a'],
    ['/%2e%2E/a', '/a'],
    ['/a%2F..%2fb', '/b'],
    ['/a\\..\\b', '/b'],
    ['/a%5C..%5cb', '/b'],
    ['/%41%7e%2D%5f', '/A~-_'],
    ['/%252e%252e/a', '/%252e%252e/a'],
    ['/%3Fa%20b%23', '/%3Fa%20b%23'],
    ['/%zz%', '/%zz%'],
    ['/...', '/...'],
    ['*', '*'],
  ])('%s is %s', (path, expected) => {
    expect(normalisePath(path)).toBe(expected);
  });
});
