/** Squid's native line, word for word as its readers expect it. */
import { expect, it } from 'vitest';
import { squidLine } from '../../../src/observe/squid-line.ts';
import { exchangeRecord } from '../../support/exchange-record.ts';

const at = '1767323046.007   1001 10.0.0.4';

it.each([
  ['a tunnel', {}, 'TCP_TUNNEL/200 98000 CONNECT acct.blob.core.windows.net:443 - HIER_DIRECT/20.60.1.2 -'],
  [
    'a tunnel to an IPv6 address',
    { address: '[2603:1030::1]:443' },
    'TCP_TUNNEL/200 98000 CONNECT acct.blob.core.windows.net:443 - HIER_DIRECT/2603:1030::1 -',
  ],
  [
    'a forwarded request',
    { kind: 'forward', method: 'GET', target: 'ocsp.digicert.com:80', path: '/MFE%3D', user: 'al' },
    'TCP_MISS/200 98000 GET http://ocsp.digicert.com/MFE%3D al HIER_DIRECT/20.60.1.2 -',
  ],
  [
    'a forwarded request to another port',
    { kind: 'forward', method: 'GET', target: 'h:8080', path: '/' },
    'TCP_MISS/200 98000 GET http://h:8080/ - HIER_DIRECT/20.60.1.2 -',
  ],
  [
    'a refusal',
    { verdict: 'deny', reason: 'not_on_allowlist', status: 403, address: null, bytesDown: 300 },
    'TCP_DENIED/403 300 CONNECT acct.blob.core.windows.net:443 - HIER_NONE/- -',
  ],
  [
    'a challenge',
    { verdict: 'challenge', reason: 'credentials_missing', status: 407, address: null },
    'TCP_DENIED/407 98000 CONNECT acct.blob.core.windows.net:443 - HIER_NONE/- -',
  ],
  [
    'a failure to connect',
    { verdict: 'error', reason: 'connect_timeout', status: 504, address: null, bytesDown: 0 },
    'TCP_TUNNEL/504 0 CONNECT acct.blob.core.windows.net:443 - HIER_NONE/- -',
  ],
  [
    'a way through a parent',
    { address: 'parent' },
    'TCP_TUNNEL/200 98000 CONNECT acct.blob.core.windows.net:443 - FIRSTUP_PARENT/parent -',
  ],
  [
    'a malformed request',
    { verdict: 'deny', reason: 'malformed_request', status: 400, target: null, address: null },
    'NONE/400 98000 CONNECT error:invalid-request - HIER_NONE/- -',
  ],
  [
    'a connection that asked for nothing',
    { kind: 'connection', method: null, target: null, status: null, address: null, bytesDown: 0 },
    'NONE/000 0 NONE error:transaction-end-before-headers - HIER_NONE/- -',
  ],
] as const)('%s', (_, changes, expected) => {
  expect(squidLine(exchangeRecord(changes))).toBe(`${at} ${expected}\n`);
});

it('spaces, quotes and everything beyond ASCII are percent-encoded, what is encoded already is not touched', () => {
  const line = squidLine(exchangeRecord({ kind: 'forward', method: 'GET', target: 'h:80', path: '/a b"\u202e%2F\n' }));
  expect(line).toContain(' http://h/a%20b%22%E2%80%AE%2F%0A ');
});
