import { describe, expect, it } from 'vitest';
import { createLineSplitter, parseLogLine } from '../../../src/observe/log-line.ts';
import { squidLine } from '../../../src/observe/squid-line.ts';
import { exchangeOf, jsonLine, logRecord } from '../../support/log-lines.ts';
import type { Line } from '../../support/log-lines.ts';

function split(blocks: readonly Buffer[]): { lines: string[]; overlong: number } {
  const lines: string[] = [];
  let overlong = 0;
  const splitter = createLineSplitter(
    (line) => lines.push(line),
    () => (overlong += 1),
  );
  for (const block of blocks) {
    const memory = Buffer.from(block);
    splitter.push(memory);
    memory.fill('x');
  }
  splitter.end();
  return { lines, overlong };
}

/** A text in blocks of so many bytes. */
function blocksOf(text: string, bytes: number): Buffer[] {
  const whole = Buffer.from(text);
  return Array.from({ length: Math.ceil(whole.length / bytes) }, (_, at) =>
    whole.subarray(at * bytes, (at + 1) * bytes),
  );
}

describe('lines', () => {
  it.each([1, 2, 3, 7, 1000])('come out whole from blocks of %i bytes, whatever is done with the block', (bytes) => {
    const text = 'one\ntwo \u00e9\u{1f600}\r\n\nlast without newline';
    expect(split(blocksOf(text, bytes)).lines).toEqual(['one', 'two \u00e9\u{1f600}', '', 'last without newline']);
  });

  it('that never end are given up, and the next is read', () => {
    const endless = Buffer.alloc(700_000, 'a');
    const { lines, overlong } = split([endless, endless, endless, Buffer.from('a\nnext\n')]);
    expect(lines).toEqual(['next']);
    expect(overlong).toBe(1);
  });
});

describe('a line', () => {
  it('of JSON comes back as it went out', () => {
    const line: Line = {
      at: '2026-01-02T03:04:06.789Z',
      client: '2001:db8::4',
      user: 'al\u202eice\u001b[31m',
      userAgent: 'a "b" \\c\u009b',
      bytesUp: 7,
      connectMs: 1.5,
    };
    expect(parseLogLine(jsonLine(line).trimEnd())).toMatchObject({
      time: Date.parse('2026-01-02T03:04:06.789Z'),
      event: 'access',
      kind: 'tunnel',
      client: '2001:db8::4',
      user: 'al\u202eice\u001b[31m',
      userAgent: 'a "b" \\c\u009b',
      target: 'acct.blob.core.windows.net:443',
      verdict: 'allow',
      rule: 'azure-backup:12',
      address: '20.60.1.2:443',
      connectMs: 1.5,
      bytesUp: 7,
      bytesDown: 98_000,
      suppressed: 0,
    });
  });

  it.each([
    ['a journal', 'Jan 02 03:04:05 proxy lockdown-proxy[812]: '],
    ['a container log', 'proxy-1  | '],
  ])('is found behind the words of %s', (_name, prefix) => {
    expect(parseLogLine(prefix + jsonLine({ client: '10.0.0.9' }).trimEnd())).toEqual(
      logRecord({ client: '10.0.0.9' }),
    );
  });

  const squid: readonly (readonly [string, Line, object])[] = [
    ['tunnel', {}, { kind: 'tunnel', verdict: 'allow', method: 'CONNECT', bytesDown: 98_000, address: '20.60.1.2' }],
    [
      'plain request',
      { kind: 'forward', method: 'GET', target: 'crl.example:80', path: '/a%20b' },
      { kind: 'forward', target: 'crl.example:80', path: '/a%20b', method: 'GET', verdict: 'allow' },
    ],
    [
      'refusal',
      { verdict: 'deny', reason: 'not_on_allowlist', status: 403, target: 'x.example:443' },
      { verdict: 'deny', reason: null, status: 403, target: 'x.example:443', address: null },
    ],
    [
      'challenge',
      { verdict: 'challenge', reason: 'credentials_missing', authFailure: 'missing', status: 407 },
      { verdict: 'challenge', reason: 'credentials_missing', authFailure: 'missing', user: null },
    ],
    [
      'rejected user',
      { verdict: 'deny', reason: 'credentials_rejected', authFailure: 'rejected', status: 407, user: 'a b\u001b' },
      { verdict: 'deny', reason: 'credentials_rejected', authFailure: 'rejected', user: 'a b\u001b' },
    ],
    [
      'throttled user',
      { verdict: 'deny', reason: 'credentials_throttled', authFailure: 'throttled', status: 429, user: 'bob' },
      { verdict: 'deny', reason: 'credentials_throttled', authFailure: 'throttled', user: 'bob' },
    ],
    [
      'failure',
      { verdict: 'error', reason: 'dns_failed', status: 502, address: null },
      { verdict: 'error', reason: null, status: 502 },
    ],
    [
      'bad request',
      { kind: 'connection', verdict: 'deny', reason: 'malformed_request', status: 400, method: null, target: null },
      { kind: 'connection', verdict: 'deny', method: null, target: null, path: null },
    ],
  ];
  it.each(squid)('of squid says what it can: a %s', (_name, line, expected) => {
    const written = squidLine(exchangeOf({ at: '2026-01-02T03:04:06.789Z', client: '10.0.0.7', ...line }));
    expect(parseLogLine(written.trimEnd())).toMatchObject({
      time: Date.parse('2026-01-02T03:04:06.789Z'),
      event: 'access',
      client: '10.0.0.7',
      durationMs: 1001,
      ...expected,
    });
  });

  it.each([
    [
      'the real squid, a tunnel',
      '1700000000.123    140 10.0.0.4 TCP_TUNNEL/200 5120 CONNECT a.example:443 - HIER_DIRECT/1.2.3.4 -',
      'allow',
    ],
    [
      'the real squid, refused',
      '1700000000.123      0 10.0.0.4 TCP_DENIED/403 3900 CONNECT a.example:443 - HIER_NONE/- text/html',
      'deny',
    ],
  ])('of %s is read as well', (_name, text, verdict) => {
    expect(parseLogLine(text)).toMatchObject({ client: '10.0.0.4', target: 'a.example:443', verdict });
  });

  it.each([
    ['the service log', '{"level":"info","time":"2026-01-02T03:04:05.000Z","event":"started"}', 'other'],
    ['words', 'hello world', 'bad'],
    ['half a line', jsonLine().slice(0, 200), 'bad'],
    ['other JSON', '{"a":1}', 'bad'],
    ['a JSON null', '{"event":"access","time":"2026-01-02T03:04:05Z","client":null,"verdict":"allow"}', 'bad'],
    ['an unknown verdict', '{"event":"access","time":"2026-01-02T03:04:05Z","client":"10.0.0.4","verdict":"x"}', 'bad'],
    ['no time', '{"event":"access","time":"yesterday","client":"10.0.0.4","verdict":"allow"}', 'bad'],
  ])('of %s is told apart', (_name, text, expected) => {
    expect(parseLogLine(text)).toBe(expected);
  });

  it('with fields of the wrong type counts them as absent', () => {
    const text =
      '{"event":"access","time":"2026-01-02T03:04:05Z","client":"10.0.0.4","verdict":"deny","reason":7,"bytesUp":"x"}';
    expect(parseLogLine(text)).toMatchObject({ reason: null, bytesUp: 0, target: null });
  });
});
