/** A restart over a listening socket that systemd holds: no new connection is refused or reset while nobody serves. */
import { spawn, spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { isSocketFor, passedDescriptors } from '../../src/state/passed-sockets.ts';
import { programArgs, writeSettings } from '../support/operated-proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import type { TempFolder } from '../support/temp-folder.ts';

const hasPython = spawnSync('python3', ['--version']).status === 0;
const request = 'CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n';

interface Holder extends Disposable {
  readonly port: number;
  /** Starts the program over the socket and waits until it serves, or gives what it said when it ended. */
  start(): Promise<string>;
  /** Stops it and gives its exit code. */
  stop(): Promise<string>;
}

async function holdSocket(folder: TempFolder): Promise<Holder> {
  const holder = resolve(import.meta.dirname, '../support/socket-holder.py');
  const serve = [process.execPath, ...programArgs, 'serve', '--strict', '--config', join(folder.path, 'config.yaml')];
  const env = { ...process.env, LOCKDOWN_PROXY_CONTROL: join(folder.path, 'control.sock') };
  const child = spawn('python3', [holder, ...serve], { stdio: ['pipe', 'pipe', 'pipe'], env });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const told = createInterface({ input: child.stderr })[Symbol.asyncIterator]();
  const next = async (from: AsyncIterator<string>) => String((await from.next()).value);
  const port = Number(await next(lines));
  return {
    port,
    async start() {
      child.stdin.write('start\n');
      await next(lines);
      for (;;) {
        const line = await next(told);
        if (/"event":"(?:started|start_failed)"/.test(line)) return line;
      }
    },
    stop() {
      child.stdin.write('stop\n');
      return next(lines);
    },
    [Symbol.dispose]: () => void child.stdin.end(),
  };
}

function settings(folder: TempFolder, listen: string, config = ''): void {
  writeSettings(folder, config, ['# nothing is allowed']);
  folder.write('config.yaml', folder.read('config.yaml').replace('127.0.0.1:0', listen));
}

test.runIf(hasPython).each([1, 2])(
  'a hundred connectors at a time see no refusal and no reset over restarts, with %d workers',
  async (workers) => {
    using folder = createTempFolder();
    using holder = await holdSocket(folder);
    settings(folder, `127.0.0.1:${holder.port}`, `workers: ${workers}`);
    expect(await holder.start()).toContain(`"listen":["127.0.0.1:${holder.port}"]`);
    const failures: string[] = [];
    let answered = 0;
    let onAnswer = () => {};
    const answers = (count: number) =>
      new Promise<void>((resolve) => {
        onAnswer = () => {
          if (answered >= count || failures.length > 0) resolve();
        };
        onAnswer();
      });
    const load = { isOver: false };
    const connectors = Array.from({ length: 100 }, async () => {
      while (!load.isOver) {
        try {
          await using wire = await connectRaw(holder.port);
          await wire.write(request);
          const head = await wire.until('\r\n\r\n');
          if (head.startsWith('HTTP/1.1 403 ')) answered++;
          else failures.push(head);
        } catch (error) {
          failures.push(String(error));
        }
        onAnswer();
      }
    });
    for (let restart = 0; restart < 2; restart++) {
      await answers(answered + 20);
      expect(await holder.stop()).toBe('0');
      await holder.start();
      await answers(answered + 20);
    }
    load.isOver = true;
    await Promise.all(connectors);
    expect(failures).toEqual([]);
  },
  60_000,
);

test.runIf(hasPython)('a passed socket that `listen` does not name ends the start', async () => {
  using folder = createTempFolder();
  using holder = await holdSocket(folder);
  settings(folder, '127.0.0.1:1');
  expect(await holder.start()).toMatch(/the socket unit passes 127\.0\.0\.1:\d+ where `listen` has 127\.0\.0\.1:1/);
});

test('descriptors are taken only by the process that they are meant for', () => {
  expect(passedDescriptors({ LISTEN_FDS: '2', LISTEN_PID: '7' }, 7)).toEqual([3, 4]);
  expect(passedDescriptors({ LISTEN_FDS: '2', LISTEN_PID: '7' }, 8)).toEqual([]);
  expect(passedDescriptors({}, 7)).toEqual([]);
});

test.each([
  ['127.0.0.1', '127.0.0.1', true],
  ['0.0.0.0', '::', true],
  ['::', '::', true],
  ['127.0.0.1', '0.0.0.0', false],
  ['127.0.0.1', '::', false],
  ['::', '0.0.0.0', false],
])('`listen` at %s takes a socket at %s: %s', (asked, found, expected) => {
  expect(isSocketFor({ address: asked, port: 3128 }, { address: found, port: 3128 })).toBe(expected);
  expect(isSocketFor({ address: asked, port: 3128 }, { address: found, port: 3129 })).toBe(false);
});
