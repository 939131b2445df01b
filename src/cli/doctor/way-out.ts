/** The way out: each destination judged, looked up and reached, side by side; what that says of DNS, egress and the clock. */
import { tellClock } from './clock.ts';
import { destinationsOf, storageExample } from './destinations.ts';
import { tellEgress } from './egress.ts';
import type { Finding } from './finding.ts';
import { about } from './finding.ts';
import type { Judged } from './judge.ts';
import { judge } from './judge.ts';
import { tellNames } from './names.ts';
import type { Patient } from './patient.ts';
import type { Reached } from './reach.ts';
import { reach } from './reach.ts';

/** A destination that no rule allows, or that names a missing user, is not tried. */
const notTried = new Set([
  'not_on_allowlist',
  'denied_by_rule',
  'credentials_missing',
  'client_outside_network',
  'malformed_request',
]);

/** A destination, as it was judged and, where it may be dialled, reached. */
export interface Tried extends Judged {
  readonly reached: Reached | null;
}

export async function probeWayOut(patient: Patient, signal: AbortSignal): Promise<readonly Finding[]> {
  const destinations = destinationsOf(patient.config.cloud, patient.hosts);
  const all = await Promise.all(
    destinations.map(async (destination): Promise<Tried> => {
      const judged = await judge(patient, destination, signal);
      const { verdict } = judged.explanation;
      const mayPass = verdict === 'allow' || verdict === 'would_deny';
      return { ...judged, reached: mayPass ? await reach(patient, judged, signal) : null };
    }),
  );
  const isRefused = ({ explanation }: Judged) =>
    notTried.has(explanation.reason ?? '') && explanation.verdict === 'deny';
  const tried = all.filter((entry) => !isRefused(entry));
  return [
    ...tellNames(patient, tried),
    ...all.filter(isRefused).map(tellRefused),
    ...tried.flatMap((entry) => tellEgress(patient, entry)),
    ...tellMissing(
      patient,
      destinations.map(({ need }) => need),
    ),
    ...tellClock(
      tried.flatMap(({ reached }) => (reached?.at === 'end' && reached.aheadMs !== null ? reached.aheadMs : [])),
    ),
  ];
}

/** A name that we chose may be let out by nobody's wish; one that the operator gave is asked for. */
function tellRefused({ destination, explanation }: Judged): Finding {
  const { phrase, fix, fixRule, target } = explanation;
  const say = about('network', 'egress');
  const remedy = fixRule === null ? (fix ?? '') : `${fix ?? ''}: ${fixRule}`;
  return destination.need === 'named'
    ? say.fail(`${target}: ${phrase ?? 'refused'}`, remedy)
    : say.unseen(
        `${destination.need}: ${target} is not tried, the rules do not let it out (${phrase ?? 'refused'})`,
        `if clients need ${destination.need}, name a host that they use: lockdown-proxy doctor --host NAME`,
      );
}

function tellMissing({ config }: Patient, needs: readonly string[]): readonly Finding[] {
  if (needs.includes('storage')) return [];
  const test = `lockdown-proxy doctor --host ${storageExample(config.cloud)}`;
  return [
    about('network', 'egress').unseen(`storage: no account of the cloud ${config.cloud} is known to be there`, test),
  ];
}
