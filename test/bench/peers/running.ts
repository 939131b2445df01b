/** A peer as a running process: configured in a folder of its own, started, asked for its first tunnel, stopped. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import type { Route } from '../load/tunnel.ts';
import { destinationHost } from './acl.ts';
import type { Peer } from './catalog.ts';
import { fill, prepareSetting } from './setting.ts';
import type { SettingOptions } from './setting.ts';

export interface Running {
  readonly peer: Peer;
  readonly route: Route;
  /** Null for the destination itself: nobody is measured then. */
  readonly pid: number | null;
  /** From the start of the process to its first 200, in milliseconds. */
  readonly startMs: number;
  /** The tail of what it said when it is no longer there, else null. */
  fate(): string | null;
  stop(): Promise<void>;
}

export interface LaunchOptions extends SettingOptions {
  /** What to run in place of the command, as for a profile. */
  readonly wrap?: (command: readonly string[]) => readonly string[];
}

/** How long a start may take, how often it is looked at, and how long an end may take, in milliseconds. */
const startBudgetMs = 20_000;
const pollMs = 1;
const stopMs = 3000;
const alive = new Set<ChildProcess>();

// Whatever ends the benchmark ends what it started: each is the leader of a process group.
process.on('exit', () => {
  for (const child of alive) killGroup(child, 'SIGKILL');
});

/** @throws Error with what the program said when it does not come up. */
export async function launch(peer: Peer, options: LaunchOptions): Promise<Running> {
  const { destination } = options;
  const plainAuthority = `${destinationHost}:${destination.plainPort}`;
  if (peer.role === 'none') {
    const route = { ...destination, authority: null, plainAuthority };
    return { peer, route, pid: null, startMs: 0, fate: () => null, stop: () => Promise.resolve() };
  }
  const setting = await prepareSetting(peer, options);
  const output = join(setting.folder, 'output.log');
  const descriptor = openSync(output, 'a');
  const command = [peer.program ?? '', ...peer.arguments.map((word) => fill(word, setting))];
  const [program = '', ...words] = options.wrap?.(command) ?? command;
  const started = performance.now();
  const child = spawn(program, words, {
    stdio: ['ignore', descriptor, descriptor],
    cwd: setting.folder,
    env: { ...process.env, ...peer.environment, BENCH_DESTINATION: String(destination.tunnelPort) },
    detached: true,
  });
  closeSync(descriptor);
  alive.add(child);
  child.on('error', () => {});
  child.on('exit', () => alive.delete(child));
  const fate = () =>
    child.exitCode === null && child.signalCode === null && child.pid !== undefined
      ? null
      : `ended: ${readFileSync(output, 'utf8').slice(-600).trim()}`;
  const authority = peer.role === 'relay' ? null : `${destinationHost}:${destination.tunnelPort}`;
  await firstTunnel(setting.port, authority, fate).catch((error: unknown) => {
    killGroup(child, 'SIGKILL');
    throw error;
  });
  return {
    peer,
    route: {
      tunnelPort: setting.port,
      plainPort: peer.role === 'relay' ? setting.secondPort : setting.port,
      authority,
      plainAuthority,
    },
    pid: child.pid ?? null,
    startMs: performance.now() - started,
    fate,
    stop: () => stop(child),
  };
}

async function firstTunnel(port: number, authority: string | null, fate: () => string | null): Promise<void> {
  const deadline = performance.now() + startBudgetMs;
  while (!(await tryTunnel(port, authority))) {
    const ended = fate();
    if (ended !== null) throw new Error(ended);
    if (performance.now() > deadline) throw new Error(`no tunnel within ${startBudgetMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function tryTunnel(port: number, authority: string | null): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      if (authority === null) return settle(true);
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    });
    const settle = (isOpen: boolean) => {
      resolve(isOpen);
      socket.destroy();
    };
    socket.once('data', (bytes: Buffer) => settle(/^HTTP\/1\.[01] 200 /.test(bytes.toString('latin1'))));
    socket.on('error', () => settle(false));
    socket.on('close', () => settle(false));
  });
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}

/** Asks for an end, then makes one. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), stopMs);
  await ended;
  clearTimeout(timer);
  killGroup(child, 'SIGKILL');
}
