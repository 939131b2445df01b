/** The proxy that is looked at: its configuration as found, what it would decide, and what it says of itself if it runs. */
import type { Config } from '../../config/config.ts';
import type { InspectedConfig } from '../../config/load.ts';
import { NoProxyError } from '../../observe/control-ask.ts';
import { createSnapshot } from '../../state/snapshot.ts';
import type { Snapshot } from '../../state/snapshot.ts';
import { rangesOnDisk } from '../load-config.ts';
import type { RunningStatus } from '../running-status.ts';
import { messageOf } from './finding.ts';
import type { Sources } from './sources.ts';

/** What the running proxy said, or why it said nothing. */
export type Running =
  { readonly status: RunningStatus } | { readonly status: null; readonly why: string; readonly isForbidden: boolean };

export interface Patient {
  /** The configuration file; null: the embedded defaults. */
  readonly file: string | null;
  /** As found on disk, faults and all. */
  readonly inspected: InspectedConfig;
  /** What the probes go by: the file's where it is without fault, else the defaults. */
  readonly config: Config;
  readonly isSound: boolean;
  readonly snapshot: Snapshot;
  readonly running: Running;
  /** Names that the operator asks about. */
  readonly hosts: readonly string[];
  readonly sources: Sources;
}

export interface PatientOptions {
  readonly file: string | null;
  readonly hosts: readonly string[];
  readonly inspect: (file: string | null) => Promise<InspectedConfig>;
  readonly sources: Sources;
}

const askMs = 2000;

/** Reads the configuration and asks the running proxy; nothing here fails because something is wrong with them. */
export async function meetPatient({ file, hosts, inspect, sources }: PatientOptions): Promise<Patient> {
  const [inspected, running] = await Promise.all([inspect(file), askRunning(sources)]);
  const isSound = inspected.findings.every(({ severity }) => severity !== 'fault');
  const base = isSound ? inspected : await inspect(null);
  const snapshot = createSnapshot(base, 1, rangesOnDisk(base));
  return { file, inspected, config: base.config, isSound, snapshot, running, hosts, sources };
}

async function askRunning(sources: Sources): Promise<Running> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${askMs / 1000} s`)), askMs);
  try {
    return { status: (await Promise.race([sources.askProxy('status'), late.promise])) as RunningStatus };
  } catch (error) {
    return { status: null, why: messageOf(error), isForbidden: error instanceof NoProxyError && error.isForbidden };
  } finally {
    clearTimeout(timer);
  }
}
