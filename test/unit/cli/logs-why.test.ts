import { describe, expect, it } from 'vitest';
import { runWhy } from '../../../src/cli/why.ts';
import { folderWithLog, runLogs } from '../../support/logs-command.ts';
import { jsonLine, refusal } from '../../support/log-lines.ts';
import type { Line } from '../../support/log-lines.ts';

const asked: Line = { verdict: 'challenge', reason: 'credentials_missing', authFailure: 'missing', status: 407 };
const at = (minute: number): Line => ({ at: new Date(Date.UTC(2026, 0, 2, 12, minute)).toISOString() });

async function why(
  lines: readonly Line[],
  changes: { since?: string; client?: string; json?: boolean } = {},
  config?: string,
) {
  using folder = folderWithLog(lines.map(jsonLine));
  const { client = '10.0.0.4', ...rest } = changes;
  return await runLogs((options) => runWhy({ ...options, client }), folder, rest, config);
}

async function answerOf(lines: readonly Line[], changes: { since?: string; client?: string } = {}) {
  const { code, output } = await why(lines, { ...changes, json: true });
  expect(code).toBe(0);
  return JSON.parse(output) as Record<string, unknown>;
}

describe('why', () => {
  it('says of a client that never came that it goes direct, and which check to run there', async () => {
    const { code, lines } = await why([{ client: '10.0.0.40' }]);
    expect(code).toBe(0);
    expect(lines[0]).toBe('10.0.0.4: never seen since 2026-01-02T00:00:00Z');
    expect(lines[1]).toMatch(
      /goes direct.*`deploy\/clients\/check\.sh` \(Linux\).*`deploy\/clients\/check\.ps1` \(Windows\)/,
    );
  });

  it('says of a refused client what was refused last, and the rule that would let it pass', async () => {
    const { code, lines } = await why([{}, refusal('y.example:443', at(1)), refusal('x.example:443', at(2))]);
    expect(code).toBe(0);
    expect(lines).toEqual([
      '10.0.0.4: refused, the last time for x.example:443 at 2026-01-02T12:02:00Z',
      '  reason  not_on_allowlist',
      '  fix     add this rule to an allowlist file (with "from 10.0.0.4" behind it for this client alone)',
      '            x.example',
      '  more    1 other target refused: `lockdown-proxy logs denied --client 10.0.0.4`',
    ]);
  });

  it('says of a client that is let through that the fault lies beyond', async () => {
    const { code, lines } = await why([at(1), { ...at(2), target: 'y.example:443' }]);
    expect(code).toBe(0);
    expect(lines[0]).toBe(
      '10.0.0.4: all allowed (2 exchanges), the last time for y.example:443 at 2026-01-02T12:02:00Z',
    );
    expect(lines[1]).toMatch(/the fault lies beyond this proxy/);
  });

  const deny: Line = { verdict: 'deny', reason: 'denied_by_rule', rule: 'ours.txt:3', ruleText: 'deny x.example' };
  it.each<[string, readonly Line[], object]>([
    [
      'refused before and allowed by now',
      [refusal('x.example:443', at(1)), { ...at(2), target: 'x.example:443' }],
      { answer: 'allowed' },
    ],
    [
      'allowed before and refused by now',
      [{ ...at(1), target: 'x.example:443' }, refusal('x.example:443', at(2))],
      { answer: 'refused' },
    ],
    ['denied by a rule', [{ ...deny, ...at(1) }], { answer: 'refused', rule: 'ours.txt:3', fixRule: null }],
    ['challenged and silent', [{ ...asked, ...at(1) }], { answer: 'not_signed_in', reason: 'credentials_missing' }],
    [
      'challenged and signed in',
      [
        { ...asked, ...at(1) },
        { ...at(2), user: 'mars' },
      ],
      { answer: 'allowed' },
    ],
    [
      'failed behind the proxy',
      [{ ...at(1), verdict: 'error', reason: 'connect_timeout' }],
      { answer: 'failed', reason: 'connect_timeout', fix: expect.stringContaining('network security group') },
    ],
    ['in a tunnel that is open', [{ ...at(1), event: 'tunnel-open' }], { answer: 'allowed', exchanges: 0 }],
    [
      'in report mode',
      [{ ...at(1), verdict: 'would_deny', reason: 'not_on_allowlist' }],
      { answer: 'allowed', fix: expect.stringContaining('lockdown-proxy logs suggest') },
    ],
    [
      'outside the networks',
      [
        {
          ...at(1),
          kind: 'connection',
          verdict: 'deny',
          reason: 'client_outside_network',
          target: null,
          hint: 'networks: ["10.0.0.4/32"] admits it',
        },
      ],
      { answer: 'refused', target: null, fix: 'networks: ["10.0.0.4/32"] admits it' },
    ],
  ])('answers for a client %s', async (_name, lines, expected) => {
    expect(await answerOf(lines)).toMatchObject({ client: '10.0.0.4', ...expected });
  });

  it('looks at the last day unless told otherwise', async () => {
    const old = refusal('x.example:443', { at: '2026-01-01T23:59:00Z' });
    expect(await answerOf([old])).toMatchObject({ answer: 'never_seen', since: '2026-01-02T00:00:00.000Z' });
    expect(await answerOf([old], { since: '25h' })).toMatchObject({ answer: 'refused' });
  });

  it('knows a client by any spelling of its address, and no other by a part of it', async () => {
    expect(await answerOf([{ ...at(1), client: '2001:db8::4' }], { client: '2001:DB8:0::4' })).toMatchObject({
      answer: 'allowed',
    });
    expect(await answerOf([{ ...at(1), client: '10.0.0.4' }], { client: '::ffff:10.0.0.4' })).toMatchObject({
      answer: 'allowed',
    });
    expect(await answerOf([{ ...at(1), client: '10.0.0.41' }])).toMatchObject({ answer: 'never_seen' });
  });

  it.each([
    ['host1', {}, /^lockdown-proxy: host1: not an IP address/],
    ['10.0.0.0/24', {}, /name one client/],
    ['10.0.0.4', { since: 'soon' }, /--since soon/],
  ])('refuses %s %j', async (client, changes, message) => {
    const { code, said } = await why([], { client, ...changes });
    expect(code).toBe(2);
    expect(said).toMatch(message);
  });
});
