import { describe, expect, it } from 'vitest';
import { answers } from '../../../src/errors.ts';
import type { Reason } from '../../../src/errors.ts';
import { createDenied, mergePaths } from '../../../src/observe/log-denied.ts';
import { remedyFor } from '../../../src/observe/log-remedy.ts';
import { logRecord, refusal } from '../../support/log-lines.ts';
import type { Line } from '../../support/log-lines.ts';

function groupsOf(lines: readonly Line[]) {
  const denied = createDenied();
  for (const line of lines) denied.add(logRecord(line));
  return denied.result().groups;
}

describe('refusals', () => {
  it('are one for each client, target and reason, with their number and the last time', () => {
    const groups = groupsOf([
      refusal('x.example:443', { at: '2026-01-02T00:00:02Z' }),
      refusal('x.example:443', { at: '2026-01-02T00:00:01Z' }),
      refusal('x.example:443', { client: '10.0.0.5' }),
      refusal('y.example:443', { reason: 'denied_by_rule', rule: 'ours.txt:3', ruleText: 'deny y.example' }),
    ]);
    expect(groups).toMatchObject([
      {
        client: '10.0.0.4',
        target: 'x.example:443',
        reason: 'not_on_allowlist',
        count: 2,
        lastTime: Date.parse('2026-01-02T00:00:02Z'),
        fixRule: 'x.example',
      },
      { client: '10.0.0.4', target: 'y.example:443', rule: 'ours.txt:3', fixRule: null },
      { client: '10.0.0.5', target: 'x.example:443', count: 1 },
    ]);
    expect(groups[1]?.fix).toBe('a deny always wins: take away or narrow "deny y.example" at ours.txt:3');
  });

  it('of plain requests share the rule for the folder they were in', () => {
    const get = (path: string) => refusal('crl.example:80', { kind: 'forward', method: 'GET', path });
    expect(groupsOf([get('/pki/a.crl'), get('/pki/b.crl')])[0]?.fixRule).toBe('http://crl.example/pki/*');
    expect(groupsOf([get('/pki/a.crl'), get('/pki/a.crl')])[0]?.fixRule).toBe('http://crl.example/pki/a.crl');
    expect(groupsOf([get('/a'), get('/b')])[0]?.fixRule).toBe('http://crl.example');
  });

  it.each([
    ['/a/b', '/a/b', '/a/b'],
    ['/a/b', '/a/c', '/a/*'],
    ['/a/*', '/a/c', '/a/*'],
    ['/a/b/*', '/a/c', '/a/*'],
    ['/a/b', '/ab/c', '/'],
    ['/', '/a', '/'],
    ['/a*', '/a*', '/a*'],
    [null, null, null],
    [null, '/a', '/'],
  ])('of %s and %s meet in %s', (a, b, expected) => {
    expect(mergePaths(a, b)).toBe(expected);
    expect(mergePaths(b, a)).toBe(expected);
  });
});

describe('the remedy', () => {
  const remedyOf = (line: Line) => remedyFor(logRecord(line));

  it.each<[string, Line, string | null]>([
    ['a name', refusal('x.example:443'), 'x.example'],
    ['a name on another port', refusal('x.example:8443'), 'x.example:8443'],
    ['a public address', refusal('20.60.1.2:443'), 'ip:20.60.1.2'],
    ['a private address', refusal('10.1.4.5:443'), 'ip:10.1.4.5 within ip:10.1.4.5'],
    [
      'a private address that a rule has',
      refusal('10.1.4.5:443', { reason: 'address_private' }),
      'ip:10.1.4.5 within ip:10.1.4.5',
    ],
    ['an IPv6 address', refusal('[2603:1030::1]:8443'), 'ip:[2603:1030::1]:8443'],
    ['an address that is always refused', refusal('169.254.169.254:443'), null],
    ['the platform', refusal('168.63.129.16:80', { reason: 'azure_platform_address' }), null],
    ['a deny', refusal('x.example:443', { reason: 'denied_by_rule' }), null],
    ['a private address behind a name', refusal('x.example:443', { reason: 'address_private' }), null],
    [
      'an address outside the ranges that report mode dialled',
      { verdict: 'would_deny', reason: 'address_outside_ranges', target: 'x.example:443', address: '20.60.1.2:443' },
      'x.example within ip:20.60.1.2',
    ],
    ['a target that cannot be read', refusal('x..example:443'), null],
  ])('for %s is the narrowest rule, where one suffices', (_name, line, rule) => {
    expect(remedyOf(line).rule).toBe(rule);
  });

  it('for a private client is the networks entry that the line carries', () => {
    const line = refusal('', {
      reason: 'client_outside_network',
      target: null,
      hint: 'networks: ["10.9.0.4/32"] admits it',
    });
    expect(remedyOf(line)).toEqual({ rule: null, advice: 'networks: ["10.9.0.4/32"] admits it' });
  });

  it.each(Object.keys(answers) as Reason[])('for %s says something', (reason) => {
    const { advice } = remedyOf(refusal('x.example:443', { reason }));
    expect(advice.length).toBeGreaterThan(20);
    expect(advice).not.toMatch(/undefined|null|\[\]/);
  });

  it.each(['x.example:443;id', '$(id).example:443', '`id`:443', 'a b:443'])(
    'never puts into a command to copy what a shell would run: %s',
    (target) => {
      const record = { ...logRecord(refusal('x.example:443', { reason: 'address_private' })), target, client: '$(id)' };
      expect(remedyFor(record).advice).toContain('`lockdown-proxy explain TARGET --from CLIENT`');
    },
  );

  it('for a line without a reason is to ask for the decision anew', () => {
    const record = { ...logRecord(refusal('crl.example:80', { kind: 'forward', path: '/a' })), reason: null };
    expect(remedyFor(record).advice).toContain('`lockdown-proxy explain http://crl.example:80/a --from 10.0.0.4`');
  });
});
