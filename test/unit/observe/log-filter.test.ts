import { describe, expect, it } from 'vitest';
import type { FilterOptions } from '../../../src/observe/log-filter.ts';
import { createLogFilter, parseSince } from '../../../src/observe/log-filter.ts';
import { logRecord } from '../../support/log-lines.ts';
import type { Line } from '../../support/log-lines.ts';

const now = Date.parse('2026-01-02T03:04:05Z');
const nothing: FilterOptions = { since: null, client: null, target: null, reason: null, verdict: null };

function passes(options: Partial<FilterOptions>, line: Line): boolean {
  const filter = createLogFilter({ ...nothing, ...options }, now);
  if (!filter.ok) throw new TypeError(filter.message);
  return filter.value.passes(logRecord(line));
}

describe('--since', () => {
  it.each([
    ['90s', '2026-01-02T03:02:35.000Z'],
    ['30m', '2026-01-02T02:34:05.000Z'],
    ['2h', '2026-01-02T01:04:05.000Z'],
    ['7d', '2025-12-26T03:04:05.000Z'],
    ['1w', '2025-12-26T03:04:05.000Z'],
    ['2026-01-01', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T08:30', '2026-01-01T08:30:00.000Z'],
    ['2026-01-01 08:30:15', '2026-01-01T08:30:15.000Z'],
    ['2026-01-01T08:30:15.250Z', '2026-01-01T08:30:15.250Z'],
    ['2026-01-01T08:30+02:00', '2026-01-01T06:30:00.000Z'],
  ])('reads %s, as UTC unless it says so', (text, expected) => {
    const since = parseSince(text, now);
    expect(since.ok && new Date(since.value).toISOString()).toBe(expected);
  });

  it.each(['2', 'h', '-2h', '2 h', 'yesterday', '2026-13-01', '2026-01-01T25:00', '01/02/2026', ''])(
    'refuses %j and says what to write',
    (text) => {
      const since = parseSince(text, now);
      expect(since).toMatchObject({ ok: false, message: expect.stringContaining('write 30m, 2h, 7d, 2026-01-31') });
    },
  );

  it('lets pass what ended then or later', () => {
    expect(passes({ since: '2h' }, { at: '2026-01-02T01:04:05Z' })).toBe(true);
    expect(passes({ since: '2h' }, { at: '2026-01-02T01:04:04.999Z' })).toBe(false);
  });
});

describe('a filter', () => {
  const deny: Line = { verdict: 'deny', reason: 'not_on_allowlist' };
  it.each<[Partial<FilterOptions>, Line, boolean]>([
    [{}, {}, true],
    [{ client: '10.0.0.4' }, { client: '10.0.0.4' }, true],
    [{ client: '10.0.0.4' }, { client: '10.0.0.40' }, false],
    [{ client: '10.0.0.0/29' }, { client: '10.0.0.7' }, true],
    [{ client: '10.0.0.0/29' }, { client: '10.0.0.8' }, false],
    [{ client: '2001:DB8::4' }, { client: '2001:db8::4' }, true],
    [{ target: 'a.example' }, { target: 'a.example:443' }, true],
    [{ target: 'A.example' }, { target: 'a.example:8443' }, true],
    [{ target: 'a.example:443' }, { target: 'a.example:8443' }, false],
    [{ target: 'a.example' }, { target: 'b.a.example:443' }, false],
    [{ target: '*.example.com' }, { target: 'a.b.example.com:443' }, true],
    [{ target: '*.example.com' }, { target: 'example.com:443' }, false],
    [{ target: '.example.com' }, { target: 'example.com:443' }, true],
    [{ target: 'md-*.example.com' }, { target: 'md-7.example.com:443' }, true],
    [{ target: 'md-*.example.com' }, { target: 'md-7.z1.example.com:443' }, false],
    [{ target: '1.2.3.4' }, { target: '1.2.3.4:443' }, true],
    [{ target: '2603:1030::1' }, { target: '[2603:1030::1]:443' }, true],
    [{ target: '[2603:1030::1]:80' }, { target: '[2603:1030::1]:443' }, false],
    [{ target: 'a.example' }, { target: null }, false],
    [{ reason: 'not_on_allowlist' }, deny, true],
    [{ reason: 'dns_failed,not_on_allowlist' }, deny, true],
    [{ reason: 'dns_failed' }, deny, false],
    [{ reason: 'dns_failed' }, {}, false],
    [{ verdict: 'deny' }, deny, true],
    [{ verdict: 'allow,error' }, deny, false],
    [{ verdict: 'deny', client: '10.0.0.5' }, deny, false],
  ])('of %j on %j says %s', (options, line, expected) => {
    expect(passes(options, line)).toBe(expected);
  });

  it.each<[Partial<FilterOptions>, RegExp]>([
    [{ client: 'host1' }, /^--client host1: Not an IP prefix/],
    [{ client: '10.0.0.5/24' }, /^--client 10\.0\.0\.5\/24: Host bits are set, write 10\.0\.0\.0\/24/],
    [{ target: '*' }, /^--target \*: /],
    [{ target: 'https://a.example' }, /^--target https:/],
    [{ reason: 'not_on_alowlist' }, /^--reason not_on_alowlist: no such word; did you mean `not_on_allowlist`\?/],
    [{ verdict: 'denny' }, /^--verdict denny: no such word; did you mean `deny`\?/],
  ])('of %j is refused with the right form', (options, message) => {
    const filter = createLogFilter({ ...nothing, ...options }, now);
    expect(!filter.ok && filter.message).toMatch(message);
  });
});
