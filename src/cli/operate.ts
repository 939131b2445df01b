/** A proxy in operation: what signals, the control socket, systemd and a change on disk make it do, until it has stopped. */
import { resolve as absolute } from 'node:path';
import process from 'node:process';
import type { App } from '../app.ts';
import type { AccessLog } from '../observe/access-log.ts';
import type { ControlSocket } from '../observe/control-socket.ts';
import { controlPath, openControlSocket } from '../observe/control-socket.ts';
import type { ServiceLog } from '../observe/service-log.ts';
import type { Machine } from '../policy/decide.ts';
import type { LastGood } from '../state/last-good.ts';
import type { Reading, Reloader } from '../state/reload.ts';
import { createReloader } from '../state/reload.ts';
import type { Notifier } from '../state/systemd-notify.ts';
import { createNotifier } from '../state/systemd-notify.ts';
import { createWatch } from '../state/watch.ts';
import type { ExplainOptions } from './explain.ts';
import { explainBy } from './run-explain.ts';
import { describeRunning, describeTunnel } from './running-status.ts';
import type { DiskConfig } from './start-reading.ts';

/** How long exchanges may go on after an exception that nobody caught, in milliseconds. */
const crashDrainMs = 5000;

export interface Operation {
  readonly app: App;
  readonly disk: DiskConfig;
  /** The configuration file as the user named it. */
  readonly file: string | null;
  /** What the process started with. */
  readonly reading: Reading;
  /** Set where that was kept from an earlier run. */
  readonly lastGood: LastGood | null;
  readonly accessLog: Pick<AccessLog, 'reopen'>;
  readonly serviceLog: ServiceLog;
  readonly machine: Machine;
  /** Told once all that is said here works. */
  readonly onServing: () => void;
}

/** Operates until the proxy has stopped; gives the exit code. */
export async function operate(operation: Operation): Promise<number> {
  const { app, accessLog, serviceLog } = operation;
  const notifier = createNotifier({
    env: process.env,
    pid: process.pid,
    onError: (error) => serviceLog.warn('systemd_unreachable', { error }),
  });
  const reloader = startReloading(operation, notifier);
  process.on('SIGHUP', () => void reloader.reload('SIGHUP'));
  process.on('SIGUSR2', () => {
    accessLog.reopen();
    app.reopenLogs();
  });
  const watch = createWatch({
    texts: () => (app.snapshot().config.reload.watch ? operation.disk.texts : new Map()),
    onChange: () => reloader.reload('change on disk'),
    onHalfWritten: (path) =>
      serviceLog.warn(
        'reload_waits',
        { path },
        'no newline at the end: the file may be half written, and is not taken',
      ),
    now: () => performance.now(),
  });
  const control = await openControl(operation, reloader);
  // Whoever reads that it serves may stop it in the same moment.
  const stopped = untilStopped(operation, notifier);
  operation.onServing();
  notifier.ready(statusLine(app));
  const code = await stopped;
  watch.stop();
  await control?.close();
  await notifier.close();
  return code;
}

function startReloading({ app, disk, reading, lastGood, serviceLog }: Operation, notifier: Notifier): Reloader {
  const keep = (next: Reading) => {
    try {
      disk.keep(next);
    } catch (error) {
      serviceLog.warn('last_good_not_kept', { error }, 'a start with a bad configuration will have nothing to run by');
    }
  };
  if (!lastGood) keep(reading);
  const reloader = createReloader(reading, {
    read: () => disk.read(),
    apply: (loaded) => app.replace(loaded),
    onDone: keep,
    log: serviceLog,
    now: Date.now,
  });
  return {
    ...reloader,
    async reload(cause) {
      notifier.reloading();
      const report = await reloader.reload(cause);
      app.noteReload(report);
      notifier.ready(report.result === 'failed' ? `Reload failed, ${statusLine(app)}` : statusLine(app));
      return report;
    },
    get current() {
      return reloader.current;
    },
    get last() {
      return reloader.last;
    },
  };
}

/** What `systemctl status` shows. */
function statusLine(app: App): string {
  const { configHash, generation, config } = app.snapshot();
  return `serving by configuration ${configHash}, generation ${generation}, mode ${config.mode}`;
}

/** A proxy that cannot be asked still serves: it is said, and nothing else. */
async function openControl(operation: Operation, reloader: Reloader): Promise<ControlSocket | null> {
  const { app, file, reading, serviceLog } = operation;
  const path = controlPath(process.env);
  try {
    return await openControlSocket(path, {
      status: () => {
        const lastGood = reloader.current === reading ? operation.lastGood : null;
        return describeRunning(app, file === null ? null : absolute(file), reloader.last, lastGood);
      },
      tunnels: async () => (await app.tunnels.list()).map(describeTunnel),
      close: async ([id = '']) => {
        if (!(await app.tunnels.close(id)))
          throw new Error(`no tunnel \`${id}\` is open; \`lockdown-proxy tunnels list\` has them`);
      },
      reload: () => reloader.reload('command'),
      explain: ([asked = '']) => explainBy(app.snapshot(), operation.machine, JSON.parse(asked) as ExplainOptions),
    });
  } catch (error) {
    serviceLog.warn(
      'control_unavailable',
      { path, error },
      '`status`, `tunnels`, `reload` and `explain --running` cannot ask this proxy',
    );
    return null;
  }
}

/** Waits for the signal that ends the process, then for the exchanges. A second signal does not wait. */
function untilStopped({ app, serviceLog }: Operation, notifier: Notifier): Promise<number> {
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = (cause: string, graceMs: number, deadlineMs: number, code: number) => {
      if (isStopping) {
        app.abandon();
        return resolve(1);
      }
      isStopping = true;
      const counting = app.tunnels.list();
      const stopping = app.stop(deadlineMs, graceMs);
      void counting.then(({ length: tunnels }) => serviceLog.info('draining', { cause, graceMs, deadlineMs, tunnels }));
      notifier.stopping('draining');
      stopping.then(
        () => {
          serviceLog.info('stopped');
          resolve(code);
        },
        () => resolve(1),
      );
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        const { graceMs, deadlineMs } = app.snapshot().config.drain;
        stop(signal, graceMs, deadlineMs, 0);
      });
    }
    // Nothing may go on as if it had not happened: the process ends, and whoever started it starts it again.
    process.on('uncaughtException', (error) => {
      serviceLog.error('uncaught_exception', { error });
      if (!isStopping) stop('uncaughtException', 0, crashDrainMs, 1);
    });
  });
}
