/** What stands in an access line, and what never does. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { accessLevel, createAccessLog } from '../../../src/observe/access-log.ts';
import type { ExchangeRecord } from '../../../src/proxy/exchange.ts';
import { exchangeRecord } from '../../support/exchange-record.ts';
import { createTempFolder } from '../../support/temp-folder.ts';

/** Writes records to a log of its own and gives back its lines, each without the newline. */
async function linesOf(records: readonly Partial<ExchangeRecord>[], format: 'json' | 'squid' = 'json') {
  using folder = createTempFolder();
  const log = createAccessLog({ destination: join(folder.path, 'access.log'), format });
  for (const record of records) log.write('access', exchangeRecord(record));
  await log.close(5000);
  const text = folder.read('access.log');
  return text === '' ? [] : text.slice(0, -1).split('\n');
}

async function parsed(records: readonly Partial<ExchangeRecord>[]) {
  return (await linesOf(records)).map((line) => JSON.parse(line) as Record<string, unknown>);
}

it('a line has every key in its order, null where there is no value', async () => {
  const [line] = await linesOf([{}]);
  expect(line).toBe(
    '{"level":"info","time":"2026-01-02T03:04:06.007Z","startTime":"2026-01-02T03:04:05.006Z","event":"access",' +
      '"id":"x-1","kind":"tunnel","client":"10.0.0.4","clientPort":50123,"user":null,"userAgent":null,' +
      '"method":"CONNECT","target":"acct.blob.core.windows.net:443","path":null,"verdict":"allow","reason":null,' +
      '"wouldDeny":null,"authFailure":null,"authScheme":null,"authOffered":null,"rule":"azure-backup:12","ruleText":"https://*.blob.core.windows.net",' +
      '"status":200,"address":"20.60.1.2:443","tlsServerName":"acct.blob.core.windows.net","dnsMs":3,"connectMs":8,' +
      '"durationMs":1001,"bytesUp":1200,"bytesDown":98000,"endedBy":"client","configHash":"0123456789ab","hint":null}',
  );
});

it('a tunnel that is still open says so in its event', async () => {
  using folder = createTempFolder();
  const log = createAccessLog({ destination: join(folder.path, 'a'), format: 'json' });
  log.write('tunnel-open', exchangeRecord({ endedBy: null }));
  await log.close(5000);
  expect(JSON.parse(folder.read('a'))).toMatchObject({ event: 'tunnel-open', endedBy: null });
});

describe('hostile text', () => {
  const hostile = [
    'a\r\n{"level":"info"}',
    '\u001b[2J\u009b31m',
    '\u007f\u0085\u2028\u2029',
    '\u202eexe.txt\u2066\u200f',
    'naïve 中 😀',
    'lone \ud800 and \udfff',
    '"quoted" \\ back',
    '\0',
  ];

  it.each(hostile)('%j stays one line of printable ASCII that parses back to it', async (text) => {
    const lines = await linesOf([{ userAgent: text, user: text, target: text, path: text, tlsServerName: text }]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[\x20-\x7e]+$/);
    const line = JSON.parse(lines[0]!) as Record<string, unknown>;
    expect([line['userAgent'], line['user'], line['target'], line['path'], line['tlsServerName']]).toEqual(
      Array.from({ length: 5 }, () => text),
    );
  });

  it.each(hostile)('%j stays one line in the squid format', async (text) => {
    const lines = await linesOf([{ kind: 'forward', method: 'GET', user: text, target: text, path: text }], 'squid');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[\x20-\x7e]+$/);
    expect(lines[0]!.trim().split(/ +/)).toHaveLength(10);
  });
});

describe('a long line', () => {
  const long = 'x'.repeat(20_000);
  const wide = '\u202e'.repeat(20_000);

  it.each([
    ['one long field', { userAgent: long }],
    [
      'every text long',
      { user: long, userAgent: long, target: long, path: long, rule: long, ruleText: long, hint: long },
    ],
    [
      'every character escaped',
      { user: wide, userAgent: wide, target: wide, path: wide, tlsServerName: wide, hint: wide },
    ],
  ])('with %s is cut to 4,096 bytes, says so, and keeps its verdict', async (_, changes) => {
    const [line] = await linesOf([{ ...changes, verdict: 'deny', reason: 'not_on_allowlist' }]);
    expect(line!.length).toBeLessThanOrEqual(4095);
    expect(JSON.parse(line!)).toMatchObject({
      verdict: 'deny',
      reason: 'not_on_allowlist',
      client: '10.0.0.4',
      userAgent: expect.stringMatching(/\.\.\.\[\+\d+\]$/),
    });
  });

  it('loses nothing from its short fields when one field is long', async () => {
    const [line] = await parsed([{ path: `/${long}`, userAgent: 'curl/8.5.0' }]);
    expect(line).toMatchObject({ userAgent: 'curl/8.5.0', target: 'acct.blob.core.windows.net:443' });
  });

  it.each([{ path: `/${long}` }, { path: wide }, { user: wide, target: wide, path: wide }])(
    'is cut in the squid format as well (%#)',
    async (changes) => {
      const [line] = await linesOf([{ kind: 'forward', method: 'GET', ...changes }], 'squid');
      expect(line!.length).toBeLessThanOrEqual(4095);
      expect(line).toContain('... ');
    },
  );
});

it.each(['json', 'squid'] as const)('a query or userinfo in a record does not reach a %s line', async (format) => {
  const [line] = await linesOf(
    [{ kind: 'forward', method: 'GET', target: 'me:secret@h:80', path: '/c/b?sig=secret' }],
    format,
  );
  expect(line).toContain('/c/b');
  expect(line).not.toContain('secret');
});

describe('clients outside the networks', () => {
  const refused = { reason: 'client_outside_network', verdict: 'deny' } as const;
  const start = Date.UTC(2026, 0, 1);

  it('get ten lines a minute each, and the next line says how many were left out', async () => {
    const flood = Array.from({ length: 25 }, (_, index) => ({ ...refused, endTime: start + index * 1000 }));
    const other = { ...refused, client: '10.0.0.5', endTime: start + 30_000 };
    const later = { ...refused, endTime: start + 60_000 };
    const lines = await parsed([...flood, other, later]);
    expect(lines.filter((line) => line['client'] === '10.0.0.4')).toHaveLength(11);
    expect(lines.at(-2)).not.toHaveProperty('suppressed');
    expect(lines.at(-1)).toMatchObject({ client: '10.0.0.4', suppressed: 15 });
  });

  it('are limited for that reason alone', async () => {
    const other = { reason: 'not_on_allowlist', verdict: 'deny', endTime: start } as const;
    expect(await linesOf(Array.from({ length: 25 }, () => other))).toHaveLength(25);
  });
});

describe("the load balancer's probe", () => {
  const probe = { kind: 'connection', client: '168.63.129.16', method: null, bytesUp: 0, bytesDown: 0 } as const;

  it.each([
    ['a bare connection', {}, 0],
    ['a connection that is refused', { bytesDown: 120, reason: 'client_outside_network', verdict: 'deny' }, 0],
    ['one that sent bytes', { bytesUp: 5 }, 1],
    ['one that asked', { kind: 'tunnel', method: 'CONNECT' }, 1],
    ['a bare connection of another client', { client: '10.0.0.4' }, 1],
  ] as const)('%s makes %# lines as expected', async (_, changes, count) => {
    expect(await linesOf([{ ...probe, ...changes }])).toHaveLength(count);
  });
});

describe('the level', () => {
  it.each([
    [{ verdict: 'allow' }, 'info'],
    [{ verdict: 'would_deny', reason: null }, 'info'],
    [{ verdict: 'challenge', reason: 'credentials_missing', authFailure: 'missing' }, 'info'],
    [{ verdict: 'deny', reason: 'credentials_rejected', authFailure: 'rejected' }, 'warn'],
    [{ verdict: 'challenge', reason: 'credentials_throttled', authFailure: 'throttled' }, 'warn'],
    [{ verdict: 'error', reason: 'upstream_proxy_auth', authFailure: 'upstream' }, 'warn'],
    [{ verdict: 'deny', reason: 'not_on_allowlist' }, 'warn'],
    [{ verdict: 'error', reason: 'dns_failed' }, 'warn'],
    [{ verdict: 'error', reason: 'internal_error' }, 'error'],
  ] as const)('of %j is %s', (changes, level) => {
    expect(accessLevel(exchangeRecord(changes))).toBe(level);
  });

  it('stands in the line', async () => {
    const lines = await parsed([{ verdict: 'deny', reason: 'denied_by_rule' }, { reason: 'internal_error' }]);
    expect(lines.map((line) => line['level'])).toEqual(['warn', 'error']);
  });
});

it('a user agent that holds a URL is written without its password and query', async () => {
  const [line] = await parsed([{ userAgent: 'tool/1 (http://u:secret@x.test/?sig=key; y)' }]);
  expect(line?.['userAgent']).toBe('tool/1 (http://x.test/ y)');
});
