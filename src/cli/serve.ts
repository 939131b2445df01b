/** `serve`: runs the proxy until it is told to stop. */
import process from 'node:process';
import type { App } from '../app.ts';
import { startApp } from '../app.ts';
import { formatPrefix, hostPort } from '../address/ip.ts';
import type { Fault } from '../errors.ts';
import { ConfigError, formatFault } from '../errors.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { AccessLog } from '../observe/access-log.ts';
import { createAccessLog } from '../observe/access-log.ts';
import type { ServiceLog } from '../observe/service-log.ts';
import { createServiceLog } from '../observe/service-log.ts';
import { rulesOpenToAnyTenant } from '../policy/lint.ts';
import { createMachine } from '../state/machine.ts';
import { listFolder, loadFromDisk } from './load-config.ts';
import { version } from './version.ts';

/** How long logs may take to be written out at the end, in milliseconds. */
const flushMs = 2000;
/** How long exchanges may go on after an exception that nobody caught, in milliseconds. */
const crashDrainMs = 5000;

/** Runs until SIGTERM or SIGINT; gives the exit code. */
export async function serve(options: { readonly config: string | null }): Promise<number> {
  const loaded = await loadOrSay(options.config);
  if (!loaded) return 1;
  const serviceLog = createServiceLog({ level: loaded.config.log.level });
  let accessLog: AccessLog | null = null;
  try {
    accessLog = openAccessLog(loaded, serviceLog);
    const app = await startApp(loaded, { accessLog, serviceLog, machine: createMachine(), ranges: { listFolder } });
    sayStarted(app, loaded, serviceLog);
    return await untilStopped(app, loaded, serviceLog);
  } catch (error) {
    serviceLog.error('start_failed', { error });
    return 1;
  } finally {
    await accessLog?.close(flushMs);
    await serviceLog.close(flushMs);
  }
}

async function loadOrSay(file: string | null): Promise<LoadedConfig | null> {
  try {
    return await loadFromDisk(file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const fault of error.faults) process.stderr.write(`${formatFault(fault)}\n`);
    process.stderr.write('lockdown-proxy: not started, the configuration has faults\n');
    return null;
  }
}

function openAccessLog({ config }: LoadedConfig, serviceLog: ServiceLog): AccessLog {
  return createAccessLog({
    destination: config.log.access,
    format: config.log.format,
    onDrop: (count) => serviceLog.warn('access_log_dropped', { count }),
    onError: (error) => serviceLog.error('access_log_failed', { error }),
  });
}

/** Says who is admitted and what is let out, so that nobody has to guess what the defaults mean. */
function sayStarted(app: App, loaded: LoadedConfig, serviceLog: ServiceLog): void {
  const { config } = loaded;
  serviceLog.info('started', {
    version,
    listen: app.listeners.map(({ address, port }) => hostPort(address, port)),
    networks: config.networks.map(formatPrefix),
    cloud: config.cloud,
    allowlist: config.allowlist,
    rules: loaded.rules.length,
    openToAnyTenant: rulesOpenToAnyTenant(loaded.rules).map(({ text }) => text),
    mode: config.mode,
    tlsServerName: config.tlsServerName,
    configHash: loaded.hash,
  });
  for (const finding of loaded.findings) {
    const { severity, message } = finding;
    if (severity === 'warning') serviceLog.warn('config_warning', { place: placeOf(finding) }, message);
    else serviceLog.info('config_note', { place: placeOf(finding) }, message);
  }
}

function placeOf({ file, line, column }: Fault): string {
  return `${file}:${line}:${column}`;
}

/** Waits for the signal that ends the process, then for the exchanges. A second signal does not wait. */
function untilStopped(app: App, loaded: LoadedConfig, serviceLog: ServiceLog): Promise<number> {
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = (cause: string, deadlineMs: number, code: number) => {
      if (isStopping) return resolve(1);
      isStopping = true;
      serviceLog.info('draining', { cause, deadlineMs });
      app.stop(deadlineMs).then(
        () => {
          serviceLog.info('stopped');
          resolve(code);
        },
        () => resolve(1),
      );
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => stop(signal, loaded.config.drain.deadlineMs, 0));
    }
    // Nothing may go on as if it had not happened: the process ends, and whoever started it starts it again.
    process.on('uncaughtException', (error) => {
      serviceLog.error('uncaught_exception', { error });
      if (!isStopping) stop('uncaughtException', crashDrainMs, 1);
    });
  });
}
