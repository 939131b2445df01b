/**
 * Tells systemd how this process is (sd_notify). Its socket takes datagrams, which Node has not, so that the messages go
 * out through `systemd-notify`, one after the other and behind the work they speak of.
 */
import { execFile } from 'node:child_process';

export interface Notifier {
  /** Serving; `status` is the line that `systemctl status` shows. */
  ready(status: string): void;
  /** Reloading until `ready` is called again. */
  reloading(): void;
  stopping(status: string): void;
  /** Ends the watchdog's beat and waits for what is still to be said. */
  close(): Promise<void>;
}

export interface NotifierDeps {
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
  /** Told once when systemd cannot be reached. */
  readonly onError: (error: Error) => void;
}

/** A message that takes longer is given up, in milliseconds. */
const sendMs = 5000;

/** Without `$NOTIFY_SOCKET` nobody listens, and nothing is said. */
export function createNotifier({ env, pid, onError }: NotifierDeps): Notifier {
  const isWanted = Boolean(env['NOTIFY_SOCKET']);
  let said = Promise.resolve();
  let hasFailed = false;

  const send = (...assignments: readonly string[]): void => {
    if (!isWanted) return;
    said = said
      .then(() => run(env, pid, assignments))
      .catch((error: Error) => {
        if (!hasFailed) onError(error);
        hasFailed = true;
      });
  };
  const beatMs = watchdogMs(env, pid) / 2;
  const beat = isWanted && beatMs > 0 ? setInterval(() => send('WATCHDOG=1'), beatMs).unref() : undefined;

  return {
    ready: (status) => send('READY=1', `STATUS=${status}`),
    reloading: () => send('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`, 'STATUS=Reloading'),
    stopping: (status) => send('STOPPING=1', `STATUS=${status}`),
    close() {
      clearInterval(beat);
      return said;
    },
  };
}

/** Within which time systemd wants to hear of this process; 0: it does not. */
function watchdogMs(env: NodeJS.ProcessEnv, pid: number): number {
  if (env['WATCHDOG_PID'] !== undefined && Number(env['WATCHDOG_PID']) !== pid) return 0;
  const usec = Number(env['WATCHDOG_USEC'] ?? 0);
  return Number.isFinite(usec) && usec > 0 ? usec / 1000 : 0;
}

function run(env: NodeJS.ProcessEnv, pid: number, assignments: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { env, timeout: sendMs };
    execFile('systemd-notify', [`--pid=${pid}`, ...assignments], options, (error) =>
      error === null ? resolve() : reject(new Error('systemd-notify failed', { cause: error })),
    );
  });
}
