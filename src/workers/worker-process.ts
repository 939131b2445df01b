/** One worker as the primary sees it: a child process with a channel to it, from its start to its end. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { PrimaryCalls, WorkerCalls, WorkerCounts } from './calls.ts';
import type { Channel } from './channel.ts';
import { createChannel } from './channel.ts';

export interface WorkerProcess extends Pick<Channel<WorkerCalls>, 'tell' | 'ask'> {
  readonly pid: number;
  /** On the clock of `performance.now`. */
  readonly startedAt: number;
  /** Whether nothing can be said to it any more. */
  isGone(): boolean;
  /** Ends it at once. */
  kill(): void;
  /** Lets go of it: it ends when it has nothing more to do. */
  release(): void;
  /** How it ended: an exit code or the name of a signal. */
  readonly exited: Promise<number | string>;
  /** What it said last of what it has counted. */
  counts: WorkerCounts | null;
  /** When it last did, on that clock. */
  heardAt: number;
}

/** The first descriptor behind standard input, output, error and the channel. */
export const firstSharedDescriptor = 4;

/** Starts a worker that holds these descriptors, numbered anew from `firstSharedDescriptor`. */
export function startWorker(
  descriptors: readonly number[],
  callsOf: (worker: () => WorkerProcess) => PrimaryCalls,
  onBug: (error: unknown) => void,
): WorkerProcess {
  // Sockets that systemd passed are meant for this process; the worker gets them by its own numbers.
  const { LISTEN_FDS: _count, LISTEN_PID: _pid, LISTEN_FDNAMES: _names, NOTIFY_SOCKET: _socket, ...env } = process.env;
  const child = fork(fileURLToPath(new URL('worker-main.ts', import.meta.url)), [], {
    env,
    serialization: 'advanced',
    // Its lines come over the channel; what the runtime itself says in its last moment has only standard error.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc', ...descriptors],
  });
  const channel = createChannel<WorkerCalls>(
    (message) => sendTo(child, message),
    callsOf(() => worker),
    onBug,
  );
  child.on('message', (message) => channel.receive(message));
  const { promise: silent, resolve: onSilence } = Promise.withResolvers<void>();
  child.on('disconnect', () => {
    channel.close();
    onSilence();
  });
  const exited = new Promise<number | string>((resolve) => {
    // What it said last may be read after its end.
    child.on('exit', (code, signal) => void silent.then(() => resolve(code ?? signal ?? 'unknown')));
    // Without a process there is no exit.
    child.on('error', (error) => {
      channel.close();
      if (child.pid === undefined) resolve(error.message);
    });
  });
  const worker: WorkerProcess = {
    tell: channel.tell,
    ask: channel.ask,
    pid: child.pid ?? 0,
    startedAt: performance.now(),
    isGone: () => !child.connected,
    kill: () => void child.kill('SIGKILL'),
    release() {
      if (child.connected) child.disconnect();
    },
    exited,
    counts: null,
    heardAt: performance.now(),
  };
  return worker;
}

/** A worker that is gone gets nothing more; that it is gone is told elsewhere. */
function sendTo(child: ChildProcess, message: object): void {
  if (child.connected) child.send(message, () => {});
}
