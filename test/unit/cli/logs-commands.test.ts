import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jsonLine, refusal } from '../../support/log-lines.ts';
import { folderWithLog } from '../../support/logs-command.ts';

const program = join(import.meta.dirname, '../../../src/lockdown-proxy.js');

const lines = [jsonLine({ client: '10.0.0.4' }), jsonLine(refusal('x.example:443', { client: '10.0.0.5' }))];

describe('the logs commands on the command line', () => {
  it.each<[readonly string[], number, RegExp]>([
    [['logs', 'summary', 'LOG', '--client', '10.0.0.5', '--json'], 0, /^\{"exchanges":1,/],
    [['--json', 'logs', 'denied', 'LOG', '--target', 'x.example'], 0, /^\{"denied":\[\{"client":"10\.0\.0\.5"/],
    [['logs', 'auth', 'LOG'], 0, /^nobody was asked for credentials\n$/],
    [['logs', 'clients', 'LOG', '--expect', 'FLEET'], 1, /^1 of 2 seen\n\nmissing:\n {2}10\.0\.0\.9\n/],
    [
      ['logs', 'suggest', 'LOG', '--reason', 'not_on_allowlist', '--since', '2026-01-01'],
      0,
      /\nx\.example {2}# 1 exchange, /,
    ],
    [
      ['why', '10.0.0.5', 'LOG', '--since', '2026-01-01'],
      0,
      /^10\.0\.0\.5: refused, the last time for x\.example:443 /,
    ],
    [['why'], 2, /^$/],
    [['logs', 'denied', 'LOG', '--since', 'soon'], 2, /^$/],
    [['logs', 'denied', 'LOG', '--colour'], 2, /^$/],
  ])('%j ends with %i', (args, code, output) => {
    using folder = folderWithLog(lines);
    const files = { LOG: join(folder.path, 'access.log'), FLEET: folder.write('fleet', '10.0.0.4\n10.0.0.9\n') };
    const argv = args.map((arg) => (arg === 'LOG' || arg === 'FLEET' ? files[arg] : arg));
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], { encoding: 'utf8' });
    expect(stdout).toMatch(output);
    expect(status).toBe(code);
    expect(stderr === '').toBe(code !== 2);
  });
});
