/** `serve`: runs the proxy until it is told to stop. */
import { statSync } from 'node:fs';
import process from 'node:process';
import type { App } from '../app.ts';
import { startApp } from '../app.ts';
import { formatPrefix, hostPort } from '../address/ip.ts';
import { ConfigError, formatFault } from '../errors.ts';
import type { Fault } from '../errors.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { AccessLog } from '../observe/access-log.ts';
import { createAccessLog } from '../observe/access-log.ts';
import type { ServiceLog } from '../observe/service-log.ts';
import { createServiceLog } from '../observe/service-log.ts';
import { rulesOpenToAnyTenant } from '../policy/lint.ts';
import type { LastGood } from '../state/last-good.ts';
import { createMachine } from '../state/machine.ts';
import { passedDescriptors } from '../state/passed-sockets.ts';
import type { Reading } from '../state/reload.ts';
import { listFolder } from './load-config.ts';
import { operate } from './operate.ts';
import type { DiskConfig } from './start-reading.ts';
import { openDiskConfig } from './start-reading.ts';
import { version } from './version.ts';

/** How long logs may take to be written out at the end, in milliseconds. */
const flushMs = 2000;

export interface ServeOptions {
  readonly config: string | null;
  /** Whether a configuration with faults ends the start, whatever was in force before. */
  readonly strict: boolean;
}

/** What a process starts with: what is on disk, or what was kept of it and why. */
interface Start {
  readonly reading: Reading;
  readonly lastGood: LastGood | null;
  readonly faults: readonly Fault[];
}

/** Runs until SIGTERM or SIGINT; gives the exit code. */
export async function serve(options: ServeOptions): Promise<number> {
  // Without a listener either would end the process, and both may come before there is anything to reload or reopen.
  for (const signal of ['SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => {});
  const disk = await openDiskConfig(options.config);
  const start = readOrSay(disk, options.strict);
  if (!start) return 1;
  const { loaded } = start.reading;
  const serviceLog = createServiceLog({ level: loaded.config.log.level });
  const machine = createMachine();
  let accessLog: AccessLog | null = null;
  try {
    accessLog = openAccessLog(loaded, serviceLog);
    const app = await startApp(loaded, {
      accessLog,
      accessFile: sharedFile(loaded),
      serviceLog,
      version,
      machine,
      ranges: { listFolder },
      startedOnLastGood: start.lastGood !== null,
      descriptors: passedDescriptors(process.env, process.pid),
    });
    const onServing = () => {
      sayStarted(app, loaded, serviceLog);
      if (start.lastGood) sayLastGood(start, start.lastGood, serviceLog);
    };
    return await operate({ ...start, app, disk, file: options.config, accessLog, serviceLog, machine, onServing });
  } catch (error) {
    serviceLog.error('start_failed', { error });
    return 1;
  } finally {
    await accessLog?.close(flushMs);
    await serviceLog.close(flushMs);
  }
}

/** The configuration on disk; where that has faults the last good one, unless told not to. Null: nothing to run by. */
function readOrSay(disk: DiskConfig, strict: boolean): Start | null {
  try {
    return { reading: disk.read(), lastGood: null, faults: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const found = strict ? null : disk.readLastGood();
    const faults = error.faults.filter(({ severity }) => severity === 'fault');
    if (found) return { ...found, faults };
    for (const fault of error.faults) process.stderr.write(`${formatFault(fault)}\n`);
    const why = strict ? '' : ', and no last good one is kept';
    process.stderr.write(`lockdown-proxy: not started, the configuration has faults${why}\n`);
    return null;
  }
}

/** A file that was opened takes whole lines from several processes; a pipe, or a device, would tear them. */
function sharedFile({ config }: LoadedConfig): string | null {
  const { access } = config.log;
  return access !== '-' && statSync(access).isFile() ? access : null;
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
    admin: hostPort(app.admin.address, app.admin.port),
    health: app.health && hostPort(app.health.address, app.health.port),
    networks: config.networks.map(formatPrefix),
    cloud: config.cloud,
    allowlist: config.allowlist,
    rules: loaded.rules.length,
    workers: app.workerCount,
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

/** Loud, because nobody who changed the file would guess that another one is in force. */
function sayLastGood({ faults }: Start, { savedAt, configHash }: LastGood, serviceLog: ServiceLog): void {
  for (const fault of faults) serviceLog.error('config_fault', { place: placeOf(fault) }, fault.message);
  const message = 'the configuration has faults: the last good one runs instead; repair the file, and it is taken up';
  serviceLog.error('last_good_in_use', { faults: faults.length, savedAt, configHash }, message);
}

function placeOf({ file, line, column }: Fault): string {
  return `${file}:${line}:${column}`;
}
