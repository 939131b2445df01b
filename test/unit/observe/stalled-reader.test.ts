/** Whoever reads the log, or does not, the proxy goes on. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Order, Report } from '../../support/log-child.ts';
import { createTempFolder } from '../../support/temp-folder.ts';

const childFile = join(import.meta.dirname, '../../support/log-child.ts');
const started: ChildProcess[] = [];

interface LogProcess {
  readonly process: ChildProcess;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Gives an order and waits until it is done. */
  tell(order: Order): Promise<Report>;
  /** Ends the process by `process.exit` and gives its exit code. */
  exit(): Promise<unknown>;
}

function startLog(...args: string[]): LogProcess {
  const child = spawn(process.execPath, [childFile, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  started.push(child);
  return {
    process: child,
    stdout: child.stdout!,
    stderr: child.stderr!,
    async tell(order) {
      child.send(order);
      const [report] = (await once(child, 'message')) as [Report];
      return report;
    },
    async exit() {
      const gone = once(child, 'exit');
      child.send({ do: 'exit' } satisfies Order);
      const [code] = await gone;
      return code;
    },
  };
}

/** The ids of the whole lines in a text; what follows the last newline was cut off by the end of the process. */
function ids(text: string): number[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => Number((JSON.parse(line) as { id: string }).id));
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

describe('a reader of standard output that stalls', () => {
  it('costs lines that are counted, and holds up neither the process nor its end', async () => {
    const log = startLog('-', '262144');
    const stalled = await log.tell({ do: 'write', lines: 3000 });
    expect(stalled.written).toBe(3000);
    expect(stalled.dropped).toBeGreaterThan(1000);

    const closed = await log.tell({ do: 'close', deadlineMs: 50 });
    let text = '';
    log.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    const ended = once(log.stdout, 'end');
    expect(await log.exit()).toBe(0);
    await ended;
    expect(ids(text)).toEqual(upTo(closed.written - closed.dropped));
  });

  it('does not keep the process from exiting without a close', async () => {
    const log = startLog('-');
    await log.tell({ do: 'write', lines: 3000 });
    expect(await log.exit()).toBe(0);
  });
});

it('a slow reader gets every line in order when the log is closed', async () => {
  const log = startLog('-');
  const { dropped } = await log.tell({ do: 'write', lines: 2000 });
  expect(dropped).toBe(0);
  // Nothing was read so far: most lines are still queued when the log closes.
  const closed = log.tell({ do: 'close', deadlineMs: 15_000 });
  let text = '';
  for (let lines = 0; lines < 2000; await turn()) {
    const piece = String(log.stdout.read(1024) ?? log.stdout.read() ?? '');
    lines += piece.split('\n').length - 1;
    text += piece;
  }
  expect((await closed).dropped).toBe(0);
  expect(ids(text)).toEqual(upTo(2000));
});

it('a reader that goes away ends the log and not the process', async () => {
  const log = startLog('-');
  await log.tell({ do: 'write', lines: 3000 });
  log.stdout.destroy();
  const report = await log.tell({ do: 'write-until-dropped' });
  expect(report.errors).toEqual(['EPIPE: broken pipe, write']);
  const closed = await log.tell({ do: 'close', deadlineMs: 15_000 });
  expect(closed.dropped).toBeGreaterThan(1000);
  expect(await log.exit()).toBe(0);
});

it('lines go on in order and untorn when there is room again', async () => {
  using folder = createTempFolder();
  const path = join(folder.path, 'access.log');
  const log = startLog(path);
  const limit = (bytes: string) => execFileSync('prlimit', ['--pid', String(log.process.pid), `--fsize=${bytes}:`]);
  // Half a batch fits: a line is torn until the rest of it follows.
  limit('50001');
  const full = await log.tell({ do: 'write-until-error' });
  expect(full.dropped).toBe(0);
  expect(full.errors).toEqual(['EFBIG: file too large, write']);
  expect(readFileSync(path)).toHaveLength(50_001);
  limit('unlimited');
  await log.tell({ do: 'write', lines: 100 });
  const closed = await log.tell({ do: 'close', deadlineMs: 15_000 });
  expect(closed.dropped).toBe(0);
  expect(ids(readFileSync(path, 'utf8'))).toEqual(upTo(closed.written));
});

it('the service log writes ASCII lines of its level and above, with stacks for bugs alone', async () => {
  const log = startLog('-');
  let text = '';
  log.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await log.tell({ do: 'service' });
  const ended = once(log.stderr, 'end');
  await log.exit();
  await ended;
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  const lines = text.trimEnd().split('\n');
  expect(lines[0]).toBe(
    '{"level":"info","time":"1970-01-01T00:00:00.000Z","event":"started","port":3128,"message":"ready\\u001b[2J\\u202e"}',
  );
  expect(JSON.parse(lines[1]!)).toEqual({
    level: 'warn',
    time: '1970-01-01T00:00:00.000Z',
    event: 'reload_failed',
    error: { type: 'Error', message: 'no such file', code: 'ENOENT' },
  });
  expect(JSON.parse(lines[2]!)).toMatchObject({
    event: 'bug',
    error: { type: 'TypeError', stack: expect.stringContaining('log-child.ts'), cause: { message: 'deeper' } },
  });
  expect(lines).toHaveLength(3);
});
