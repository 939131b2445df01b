/** The configuration as `check` finds it, who is admitted by it, and until when its certificates hold. */
import { X509Certificate } from 'node:crypto';
import { hostPort } from '../../address/ip.ts';
import { formatFault } from '../../errors.ts';
import type { Finding } from './finding.ts';
import { about } from './finding.ts';
import type { Patient } from './patient.ts';

const say = about('configuration', 'config');
/** Of faults so many are told; `check` has them all. */
const maxTold = 5;

export async function probeConfiguration(patient: Patient): Promise<readonly Finding[]> {
  const { file, inspected } = patient;
  const name = file ?? 'the embedded defaults';
  const command = file === null ? 'lockdown-proxy check' : `lockdown-proxy --config ${file} check`;
  const faults = inspected.findings.filter(({ severity }) => severity === 'fault');
  if (faults.length > 0) {
    const more = faults.length > maxTold ? [say.fail(`${faults.length - maxTold} more faults`, command)] : [];
    const fix = `mend that line, then \`${command}\` until it says 0 faults; meanwhile the rest is judged by the defaults`;
    return [...faults.slice(0, maxTold).map((fault) => say.fail(formatFault(fault), fix)), ...more];
  }
  const { rules, lists } = inspected;
  return [
    say.ok(`${name}: ${rules.length} rules in ${lists.length} lists`),
    ...inspected.findings.flatMap(({ severity, ...fault }) => {
      const told = formatFault({ ...fault, severity: 'fault' });
      // Of all notes this one is for the operator of the machine: who may use the proxy.
      if (severity === 'note' && !/^`(?:private|auto)` admits/.test(fault.message)) return [];
      return [say.warn(told, severity === 'note' ? networksFix(fault.message, file) : command)];
    }),
    ...driftOf(patient),
  ];
}

function networksFix(message: string, file: string | null): string {
  const line = /`(networks: \[.*\])`/.exec(message)?.[1] ?? 'networks: [PREFIX]';
  return `in ${file ?? '/etc/lockdown-proxy/config.yaml'} name the clients' subnets alone: ${line}`;
}

/** What is in force against what the file says. */
function driftOf({ inspected, running, file }: Patient): readonly Finding[] {
  const { status } = running;
  if (!status) return [];
  const found: Finding[] = [];
  if (status.lastGood) {
    found.push(
      say.fail(`the proxy runs by the last good configuration of ${status.lastGood.savedAt}`, 'lockdown-proxy reload'),
    );
  } else if ((status.configFile ?? null) !== (file ?? null)) {
    const other = status.configFile ?? 'the embedded defaults';
    found.push(say.warn(`the running proxy goes by ${other}`, `lockdown-proxy --config ${other} doctor`));
  } else if (status.configHash !== inspected.hash) {
    found.push(say.warn('the running proxy does not go by what the file says now', 'lockdown-proxy reload'));
  }
  if (status.lastReload?.result === 'failed') {
    found.push(say.warn('the last reload failed', '`lockdown-proxy reload` says why'));
  }
  if (status.mode === 'report') {
    found.push(
      say.warn(
        'mode report: what no rule allows is let out and logged',
        'set `mode: enforce` when the lists are whole',
      ),
    );
  }
  return found;
}

const dayMs = 86_400_000;
const soonDays = 14;

/** One finding a listener that speaks TLS. */
export async function probeCertificates({ inspected, sources }: Patient): Promise<readonly Finding[]> {
  const told = about('configuration', 'certificate');
  return inspected.config.listen.flatMap(({ address, port, tls }, index) => {
    const keys = inspected.listenerKeys[index];
    if (!tls || !keys) return [];
    const { validToDate } = new X509Certificate(keys.cert);
    const days = Math.floor((validToDate.getTime() - sources.now()) / dayMs);
    const what = `${hostPort(address, port)}: ${tls.cert} ends on ${validToDate.toISOString().slice(0, 10)}`;
    const fix = `put a new certificate into ${tls.cert} and its key into ${tls.key}; a running proxy takes them up`;
    if (days < 0) return [told.fail(what, fix)];
    return [days < soonDays ? told.warn(what, fix) : told.ok(`${what}, in ${days} days`)];
  });
}
