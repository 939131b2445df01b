/** Programs that a test starts: with a bare environment, all output kept, ended with the test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  /** Waits until the program has printed the text; fails, with its output, when it ends first. */
  printed(text: string): Promise<void>;
  /** Sends SIGTERM and waits for the end. */
  stop(): Promise<Finished>;
  /** Waits for the end. */
  readonly finished: Promise<Finished>;
}

/** Starts a program without the caller's environment: no proxy setting from outside reaches a client. */
export function start(command: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(command, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/nonexistent', LC_ALL: 'C.UTF-8', ...env },
  });
  const output = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      for (const watcher of watchers) watcher();
    });
  }
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(`${command} does not start: is it installed?`, { cause })));
    child.once('close', (code) => resolve({ code, ...output }));
  });
  finished.catch(() => undefined); // told to whoever waits for it
  const ended = finished.then(({ code }) => {
    throw new Error(`${command} ended with ${code}:\n${output.stdout}${output.stderr}`);
  });
  ended.catch(() => undefined);
  return {
    printed: (text) =>
      Promise.race([
        ended,
        new Promise<void>((resolve) => {
          const check = (): void => {
            if (output.stdout.includes(text) || output.stderr.includes(text)) resolve();
          };
          watchers.add(check);
          check();
        }),
      ]),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const closed = once(child, 'close');
        child.kill('SIGTERM');
        await closed;
      }
      return finished;
    },
    finished,
  };
}

/** Runs a program to its end. */
export function run(
  command: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  return start(command, argv, env).finished;
}
