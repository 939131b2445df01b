/** Processes against cores. */
import type { Finding } from './finding.ts';
import { about } from './finding.ts';
import type { Patient } from './patient.ts';

const say = about('machine', 'workers');

export async function probeWorkers({ config, sources }: Patient): Promise<readonly Finding[]> {
  const cores = sources.cores();
  const { workers } = config;
  if (workers === 'auto') return [say.ok(`auto, ${cores} cores`)];
  const told = `workers: ${workers}, ${cores} cores`;
  if (workers > cores) return [say.warn(`${told}: they wait for each other`, 'workers: auto')];
  return [say.ok(told)];
}
