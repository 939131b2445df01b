import { appendFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ClientsOptions } from '../../../src/cli/logs/clients.ts';
import { formatRecord, runLogsFollow } from '../../../src/cli/logs/follow.ts';
import type { Terminal } from '../../../src/cli/logs/terminal.ts';
import { folderWithLog, runLogs } from '../../support/logs-command.ts';
import { jsonLine, logRecord, refusal } from '../../support/log-lines.ts';
import type { TempFolder } from '../../support/temp-folder.ts';

const program = join(import.meta.dirname, '../../../src/lockdown-proxy.js');

/** Follows until so many lines were printed. */
async function followUntil(folder: TempFolder, count: number, changes: Partial<ClientsOptions> = {}) {
  const controller = new AbortController();
  let output = '';
  const out = (text: string) => {
    output += text;
    if (output.split('\n').length > count) controller.abort();
  };
  const run = (options: ClientsOptions) => runLogsFollow({ ...options, out, signal: controller.signal });
  const { code } = await runLogs(run, folder, changes);
  return { code, output };
}

describe('logs follow', () => {
  it('begins with what there is since a time, rotated files too, and leaves out what is not asked for', async () => {
    using folder = folderWithLog([
      jsonLine({ client: '10.0.0.2' }),
      jsonLine(refusal('x.example:443', { client: '10.0.0.3' })),
    ]);
    folder.write('access.log.1', jsonLine(refusal('x.example:443', { client: '10.0.0.1' })));
    folder.write('access.log.2.gz', gzipSync(jsonLine(refusal('x.example:443', { client: '10.0.0.0' }))));
    folder.write('access.log.3.gz', gzipSync(jsonLine(refusal('x.example:443', { at: '2025-01-01T00:00:00Z' }))));
    const { code, output } = await followUntil(folder, 3, { since: '2026-01-01', verdict: 'deny' });
    expect(code).toBe(0);
    expect(output.match(/10\.0\.0\.\d/g)).toEqual(['10.0.0.0', '10.0.0.1', '10.0.0.3']);
  });

  it('reads standard input to its end', async () => {
    using folder = folderWithLog([]);
    const stdin = Readable.from([Buffer.from(jsonLine() + jsonLine({ event: 'tunnel-open' }))]);
    const { output } = await followUntil(folder, 9, { files: ['-'], stdin });
    expect(output).toMatch(/Z allow .*\n.*Z open /);
  });

  it('gives programs one object a line', async () => {
    using folder = folderWithLog([jsonLine({ user: 'al\u202eice' })]);
    const { output } = await followUntil(folder, 1, { since: '7d', json: true });
    expect(output).toMatch(/^[\x20-\x7e]*\n$/);
    expect(JSON.parse(output)).toMatchObject({ client: '10.0.0.4', verdict: 'allow', user: 'al\u202eice' });
  });

  it('follows one file at a time', async () => {
    using folder = folderWithLog([]);
    expect(await followUntil(folder, 1, { files: ['a', 'b'] })).toMatchObject({ code: 2 });
  });
});

describe('a followed line', () => {
  const painted: Terminal = {
    width: null,
    isInteractive: true,
    paint: (style, text) => `\u001b[${style}m${text}\u001b[0m`,
  };

  it.each([
    [logRecord(), 'green'],
    [logRecord(refusal('x.example:443')), 'red'],
    [logRecord({ verdict: 'would_deny', reason: 'not_on_allowlist' }), 'magenta'],
    [logRecord({ verdict: 'challenge', reason: 'credentials_missing' }), 'yellow'],
    [logRecord({ verdict: 'error', reason: 'dns_failed' }), 'yellow'],
  ])('has the colour of its verdict: %#', (record, style) => {
    expect(formatRecord(record, painted)).toContain(`\u001b[${style}m${record.verdict.padEnd(10)}`);
  });

  it('carries nothing of a client to the terminal as a command', () => {
    const hostile = 'a\u001b[31m\u009b2J\u202e\n';
    const record = logRecord({
      client: hostile,
      target: hostile,
      user: hostile,
      path: hostile,
      method: hostile,
      kind: 'forward',
    });
    expect(formatRecord(record, { ...painted, paint: (_style, text) => text })).toMatch(/^[\x20-\x7e]*\n$/);
  });
});

describe('logs follow as a program', () => {
  it('goes through a rotation, writes no colour into a pipe, and ends cleanly on SIGINT', async () => {
    using folder = folderWithLog([jsonLine({ client: '10.0.0.1' })]);
    const path = join(folder.path, 'access.log');
    const child = spawn(process.execPath, [program, 'logs', 'follow', path, '--since', '2026-01-01'], {
      env: { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(child, 'exit');
    let errors = '';
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async () => (await lines.next()).value as string;
    expect(await next()).toContain('10.0.0.1');
    appendFileSync(path, jsonLine({ client: '10.0.0.2' }));
    expect(await next()).toContain('10.0.0.2');
    renameSync(path, `${path}.1`);
    folder.write('access.log', jsonLine({ client: '10.0.0.3' }));
    const last = await next();
    expect(last).toContain('10.0.0.3');
    expect(stripVTControlCharacters(last)).toBe(last);
    child.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
    expect(errors).toBe('');
  });

  it('ends quietly when nobody reads any more', async () => {
    using folder = folderWithLog(Array<string>(3000).fill(jsonLine()));
    const child = spawn(
      process.execPath,
      [program, 'logs', 'follow', join(folder.path, 'access.log'), '--since', '2026-01-01'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const ended = once(child, 'exit');
    let errors = '';
    child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
    await once(child.stdout, 'data');
    child.stdout.destroy();
    expect(await ended).toEqual([0, null]);
    expect(errors).toBe('');
  });
});
