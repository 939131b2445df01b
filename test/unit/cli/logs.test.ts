import { join } from 'node:path';
import { Readable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { runLogsAuth } from '../../../src/cli/logs/auth.ts';
import { runLogsClients } from '../../../src/cli/logs/clients.ts';
import { runLogsDenied } from '../../../src/cli/logs/denied.ts';
import type { LogsOptions } from '../../../src/cli/logs/read.ts';
import { runLogsSuggest } from '../../../src/cli/logs/suggest.ts';
import { runLogsSummary, sparkline } from '../../../src/cli/logs/summary.ts';
import { folderWithLog as folderWith, runLogs as logs } from '../../support/logs-command.ts';
import { jsonLine, refusal } from '../../support/log-lines.ts';
import { rulesOf } from '../../support/policy.ts';

const asked = { verdict: 'challenge', reason: 'credentials_missing', authFailure: 'missing', status: 407 } as const;

describe('every report', () => {
  it('reads the configured log and what rotations made of it', async () => {
    using folder = folderWith([jsonLine()]);
    folder.write('access.log.1', jsonLine());
    folder.write('access.log.2.gz', gzipSync(jsonLine()));
    expect((await logs(runLogsSummary, folder)).lines[0]).toMatch(/^3 exchanges,/);
  });

  it('reads the files that are named and no others, or standard input', async () => {
    using folder = folderWith([jsonLine()]);
    folder.write('access.log.1', jsonLine());
    const named = await logs(runLogsSummary, folder, { files: [join(folder.path, 'access.log')] });
    expect(named.lines[0]).toMatch(/^1 exchange,/);
    const stdin = Readable.from([Buffer.from(jsonLine().repeat(5))]);
    expect((await logs(runLogsSummary, folder, { files: ['-'], stdin })).lines[0]).toMatch(/^5 exchanges,/);
  });

  it('says on the side what it could not read, and reports on the rest', async () => {
    using folder = folderWith([jsonLine(), 'garbage\n', jsonLine()]);
    const { code, lines, said } = await logs(runLogsSummary, folder);
    expect(code).toBe(0);
    expect(lines[0]).toMatch(/^2 exchanges,/);
    expect(said).toBe(`1 line left out that no access log has (the first: ${join(folder.path, 'access.log')}:2)\n`);
  });

  it.each([
    [
      'a file that is not there',
      { files: ['/nonexistent/a.log'] },
      1,
      /there is no such file \(\/nonexistent\/a\.log\)/,
    ],
    ['a folder', { files: ['/'] }, 0, /read in part: \/: /],
    ['a bad --since', { since: 'soon' }, 2, /^lockdown-proxy: --since soon: write 30m/],
    ['a bad --reason', { reason: 'x' }, 2, /^lockdown-proxy: --reason x: no such word/],
    ['standard input and a file', { files: ['-', 'a.log'] }, 2, /goes alone/],
  ])('answers %s with a line and an exit code', async (_name, changes, code, message) => {
    using folder = folderWith([jsonLine()]);
    const result = await logs(runLogsSummary, folder, changes);
    expect(result.code).toBe(code);
    expect(result.said).toMatch(message);
  });

  it('names the way in where the log goes to standard output, with the fault of a configuration that has one', async () => {
    using folder = folderWith([]);
    const plain = await logs(runLogsSummary, folder, {}, 'mode: enforce\n');
    expect(plain.code).toBe(1);
    expect(plain.said).toMatch(/goes to standard output: name a file, or pipe it in, as in `journalctl /);
    const faulty = await logs(runLogsSummary, folder, {}, 'log: { acess: ./access.log }\n');
    expect(faulty.said).toMatch(/as far as the configuration can be read: .*acess/);
  });

  it('reads the log of a configuration that has a fault elsewhere', async () => {
    using folder = folderWith([jsonLine()]);
    const config = 'log: { access: ./access.log }\nallowlist: [./gone.txt]\n';
    expect((await logs(runLogsSummary, folder, {}, config)).lines[0]).toMatch(/^1 exchange,/);
  });

  const hostile = 'a\u001b[31m\u009b2J\u202e\u2028\u0007\n';
  const lines = [
    jsonLine({ client: hostile, target: `${hostile}:443`, userAgent: hostile, user: hostile, connectMs: 9 }),
    jsonLine(refusal(`${hostile}:443`, { client: hostile, rule: hostile, ruleText: hostile, hint: hostile })),
    jsonLine(
      refusal('x:443', { client: hostile, user: hostile, authFailure: 'rejected', reason: 'credentials_rejected' }),
    ),
    jsonLine({ ...asked, client: hostile, userAgent: hostile }),
  ];
  it.each([
    ['summary', runLogsSummary],
    ['denied', runLogsDenied],
    ['auth', runLogsAuth],
    ['clients', (options: LogsOptions) => runLogsClients({ ...options, expect: null })],
    ['suggest', runLogsSuggest],
  ])('%s sends nothing to the terminal as a command, as text or as JSON', async (_name, run) => {
    using folder = folderWith([...lines, hostile]);
    for (const json of [false, true]) {
      const { code, output, said } = await logs(run, folder, { json });
      expect(code).toBe(0);
      expect(output.length).toBeGreaterThan(20);
      expect((output + said).replaceAll(/[\n\u2581-\u2588]/g, '')).toMatch(/^[\x20-\x7e]*$/);
      expect(json ? JSON.parse(output) : {}).toBeTypeOf('object');
    }
  });
});

describe('logs summary', () => {
  it('shows totals, a line of blocks over time and the rankings', async () => {
    using folder = folderWith([
      jsonLine({ at: '2026-01-02T00:00:00Z', bytesDown: 1_500_000, bytesUp: 10 }),
      jsonLine(refusal('x.example:443', { at: '2026-01-02T00:01:00Z', bytesUp: 0, bytesDown: 0 })),
    ]);
    const { output, lines } = await logs(runLogsSummary, folder);
    expect(lines[0]).toBe('2 exchanges, 10 B up, 1.5 MB down');
    expect(lines[2]).toMatch(/^█ +█$/);
    expect(output).toContain('    1  not_on_allowlist');
    expect(output).toMatch(/ {4}1 +1 +0 B +0 B {2}x\.example:443/);
    expect(output).toMatch(/ 8 ms {2}2026-01-02T00:00:00Z {2}10\.0\.0\.4 /);
  });

  it('fits the terminal, and colours nothing where colour is not wanted', async () => {
    using folder = folderWith([jsonLine({ target: `${'long-'.repeat(30)}name.example:443` })]);
    const terminal = { width: 60, isInteractive: true, paint: (_style: unknown, text: string) => text };
    const { lines } = await logs(runLogsSummary, folder, { terminal });
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(60);
    expect(lines.join()).toContain('...');
  });

  it('draws nothing as nothing and anything as something', () => {
    expect(sparkline([0, 1, 500, 1000])).toBe(' ▁▄█');
    expect(sparkline([0, 0])).toBe('  ');
  });
});

describe('logs denied', () => {
  it('puts the fix under each refusal, whole', async () => {
    using folder = folderWith([jsonLine(refusal('x.example:443')), jsonLine(refusal('x.example:443'))]);
    const terminal = { width: 40, isInteractive: true, paint: (_style: unknown, text: string) => text };
    const { lines } = await logs(runLogsDenied, folder, { terminal });
    expect(lines[1]).toMatch(/^ {4}2 {2}2026-01-02T03:04:05Z/);
    expect(lines[2]).toBe('    add the rule: x.example');
  });

  it('gives programs every field', async () => {
    using folder = folderWith([jsonLine(refusal('x.example:443'))]);
    const { output } = await logs(runLogsDenied, folder, { json: true });
    expect(JSON.parse(output)).toMatchObject({
      denied: [
        {
          client: '10.0.0.4',
          target: 'x.example:443',
          reason: 'not_on_allowlist',
          count: 1,
          lastTime: '2026-01-02T03:04:05.000Z',
          fixRule: 'x.example',
        },
      ],
      reading: { records: 1, bad: 0, firstBad: null, broken: [] },
    });
  });

  it('lists refusals alone, and what is asked for by verdict', async () => {
    using folder = folderWith([jsonLine(), jsonLine({ verdict: 'error', reason: 'dns_failed' })]);
    expect((await logs(runLogsDenied, folder)).output).toBe('nothing was refused\n');
    expect((await logs(runLogsDenied, folder, { verdict: 'error' })).output).toContain('dns_failed');
  });
});

describe('logs suggest', () => {
  it('prints an allowlist file: each rule with who wants it, the rest in comments', async () => {
    using folder = folderWith([
      ...['4', '5', '6', '7', '8'].map((host) => jsonLine(refusal('x.example:443', { client: `10.0.0.${host}` }))),
      jsonLine(refusal('y.example:443')),
      jsonLine(refusal('evil.example:443', { reason: 'denied_by_rule' })),
      jsonLine(refusal('pod01.wcus.backup.windowsazure.com:443')),
      jsonLine(refusal('pod02.wcus.backup.windowsazure.com:443')),
    ]);
    const { output, lines } = await logs(runLogsSuggest, folder);
    expect(lines.slice(1)).toEqual([
      'x.example                  # 5 exchanges, 5 clients: 10.0.0.4, 10.0.0.5, 10.0.0.6 and 2 more',
      '*.backup.windowsazure.com  # 2 exchanges, 1 client: 10.0.0.4; from the shipped list azure-backup',
      'y.example                  # 1 exchange, 1 client: 10.0.0.4',
      '# Not by a rule written here: 1 for denied_by_rule; see lockdown-proxy logs denied.',
    ]);
    const rules = rulesOf(output.trimEnd().split('\n'));
    expect(rules.map(({ text }) => text)).toEqual(['x.example', '*.backup.windowsazure.com', 'y.example']);
  });
});

describe('logs clients --expect', () => {
  it('says how many came, and names the others', async () => {
    using folder = folderWith([jsonLine({ client: '10.0.0.4' }), jsonLine(refusal('x:443', { client: '10.0.0.5' }))]);
    const fleet = folder.write('fleet.csv', 'name,ip\nsql1,10.0.0.4\nsql2,10.0.0.5\nsql3,10.0.0.6\n');
    const { code, output, lines } = await logs(runLogsClients, folder, { expect: fleet });
    expect(code).toBe(1);
    expect(lines[0]).toBe('2 of 3 seen');
    expect(lines.slice(2, 4)).toEqual(['missing:', '  10.0.0.6  sql3']);
    expect(output).toMatch(/2026-01-02T03:04:05Z {2}never {21}1 {2}10\.0\.0\.5 {2}sql2/);
    const json = await logs(runLogsClients, folder, { expect: fleet, json: true });
    expect(JSON.parse(json.output)).toMatchObject({
      expected: 3,
      seen: 2,
      missing: [{ client: '10.0.0.6', name: 'sql3' }],
    });
  });

  it('is content when all came', async () => {
    using folder = folderWith([jsonLine({ client: '10.0.0.4' })]);
    const { code, lines } = await logs(runLogsClients, folder, { expect: folder.write('fleet', '10.0.0.4\n') });
    expect({ code, first: lines[0] }).toEqual({ code: 0, first: '1 of 1 seen' });
  });

  it.each([
    ['a line that names none', 'sql1,10.0.0.999\n', /fleet:1: no address/],
    ['an empty file', '\n', /no client in .*fleet/],
  ])('refuses %s, for who is left out would never be missed', async (_name, text, message) => {
    using folder = folderWith([jsonLine()]);
    const { code, said } = await logs(runLogsClients, folder, { expect: folder.write('fleet', text) });
    expect(code).toBe(1);
    expect(said).toMatch(message);
  });
});

describe('logs auth', () => {
  it('lists trouble first, each with its cause and the way out', async () => {
    using folder = folderWith([
      jsonLine({ ...asked, client: '10.0.0.8', at: '2026-01-02T00:00:00Z' }),
      jsonLine({ client: '10.0.0.8', user: 'mars', at: '2026-01-02T00:00:01Z' }),
      jsonLine({ ...asked, client: '10.0.0.9' }),
    ]);
    const { lines } = await logs(runLogsAuth, folder);
    expect(lines[1]).toMatch(/^10\.0\.0\.9 +1 +0 {2}never +- +cannot authenticate$/);
    expect(lines[2]).toMatch(/^ {4}never sends credentials, as WALinuxAgent cannot: /);
    expect(lines[3]).toMatch(/^10\.0\.0\.8 +1 +0 {2}2026-01-02T00:00:01Z {2}- +fine$/);
  });
});

describe('colour', () => {
  it('changes nothing but colour', async () => {
    using folder = folderWith([jsonLine(), jsonLine(refusal('x.example:443'))]);
    const paint = (_style: unknown, text: string) => `\u001b[31m${text}\u001b[39m`;
    const terminal = { width: null, isInteractive: true, paint };
    const coloured = await logs(runLogsDenied, folder, { terminal });
    expect(coloured.output).toContain('\u001b[31m');
    expect(stripVTControlCharacters(coloured.output)).toBe((await logs(runLogsDenied, folder)).output);
  });
});
