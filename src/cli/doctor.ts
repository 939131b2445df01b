/** `doctor`: this proxy and its machine looked at from end to end, each finding with what mends it. */
import process from 'node:process';
import { probeAdmin } from './doctor/admin.ts';
import { probeIdentity, probeMetadata } from './doctor/azure.ts';
import { tellBeyond } from './doctor/beyond.ts';
import { probeCertificates, probeConfiguration } from './doctor/configuration.ts';
import type { Check, Finding, Group } from './doctor/finding.ts';
import { probeAccessLog, probeState } from './doctor/folders.ts';
import { probeParent } from './doctor/parent.ts';
import type { Patient, PatientOptions } from './doctor/patient.ts';
import { meetPatient } from './doctor/patient.ts';
import { probeRanges } from './doctor/ranges-age.ts';
import { isHealthy, reportAsJson, reportAsText } from './doctor/report.ts';
import type { Probe } from './doctor/run-probes.ts';
import { runProbes } from './doctor/run-probes.ts';
import { probeListeners, probeOpenFiles, probeProcess } from './doctor/running.ts';
import { probeSocketUnit, probeUnit } from './doctor/service-unit.ts';
import { realSources } from './doctor/sources.ts';
import { probeForbidden, probeTunnel } from './doctor/through.ts';
import { probeWayOut } from './doctor/way-out.ts';
import { probeWorkers } from './doctor/workers.ts';
import type { SharedOptions } from './logs-commands.ts';
import { inspect } from './logs/read.ts';
import { terminalOf } from './logs/terminal.ts';

type Run = (patient: Patient, signal: AbortSignal) => Promise<readonly Finding[]>;

/** In the order of the report; the second argument is the time in milliseconds. */
const probes: readonly (readonly [Group, Check, number, Run])[] = [
  ['configuration', 'config', 5000, probeConfiguration],
  ['configuration', 'certificate', 5000, probeCertificates],
  ['proxy', 'process', 5000, probeProcess],
  ['proxy', 'listener', 5000, probeListeners],
  ['proxy', 'admin', 5000, probeAdmin],
  ['proxy', 'forbidden', 8000, probeForbidden],
  ['proxy', 'tunnel', 11_500, probeTunnel],
  ['proxy', 'open-files', 6000, probeOpenFiles],
  ['machine', 'workers', 5000, probeWorkers],
  ['machine', 'unit', 6000, probeUnit],
  ['machine', 'socket-unit', 6000, probeSocketUnit],
  ['machine', 'access-log', 6000, probeAccessLog],
  ['machine', 'state', 5000, probeState],
  ['network', 'egress', 12_000, probeWayOut],
  ['network', 'parent', 10_000, probeParent],
  ['network', 'ranges', 8000, probeRanges],
  ['azure', 'metadata', 8000, probeMetadata],
  ['azure', 'identity', 11_000, probeIdentity],
];

/** Looks at everything, side by side, in less than fifteen seconds. */
export async function examine(options: PatientOptions): Promise<readonly Finding[]> {
  const patient = await meetPatient(options);
  const bound = probes.map(([group, check, budgetMs, run]): Probe => ({
    group,
    check,
    budgetMs,
    run: (signal) => run(patient, signal),
  }));
  return [...(await runProbes(bound)), ...tellBeyond(patient)];
}

/** Gives 0 where nothing failed, else 1. */
export async function runDoctor({ config, json, out }: SharedOptions, hosts: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const findings = await examine({ file: config, hosts, inspect, sources: realSources() });
  const seconds = Math.round(performance.now() - startedAt) / 1000;
  out(json ? reportAsJson(findings, seconds) : reportAsText(findings, seconds, terminalOf(process.stdout)));
  return isHealthy(findings) ? 0 : 1;
}
