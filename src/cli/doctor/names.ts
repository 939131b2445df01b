/** What the look-ups say: whether a DNS server answers, and where the names lead. */
import type { Finding } from './finding.ts';
import { about } from './finding.ts';
import { codeOf } from './judge.ts';
import type { Judged } from './judge.ts';
import type { Patient } from './patient.ts';

const say = about('network', 'dns');
/** Azure's own resolver, which knows private zones (Microsoft: "What is IP address 168.63.129.16?"). */
const azureResolver = '168.63.129.16';

export function tellNames(patient: Patient, all: readonly Judged[]): readonly Finding[] {
  const servers = patient.sources.dnsServers();
  const place = servers.length === 0 ? 'no DNS server is configured' : `DNS server ${servers.join(', ')}`;
  const asked = all.filter(({ explanation }) => explanation.way !== 'parent_by_name');
  if (asked.length === 0) {
    const why = all.length === 0 ? 'no name was looked up' : 'names go to the parent proxy, which looks them up';
    return [say.unseen(why, 'lockdown-proxy doctor --host NAME')];
  }
  if (!asked.some(({ wasAnswered }) => wasAnswered) && asked.every(isSilent)) {
    const fix =
      `in /etc/resolv.conf and in the DNS servers of the virtual network: name one that this machine reaches; ` +
      `Azure's own is ${azureResolver}`;
    return [say.fail(`${place}: no answer for ${asked.map(({ destination }) => destination.host).join(', ')}`, fix)];
  }
  return asked.map((entry) => tellName(patient, entry, place));
}

/** Nobody said anything: the fault is not the name's. */
function isSilent({ lookUpError }: Judged): boolean {
  if (!lookUpError) return false;
  return lookUpError.reason === 'dns_timeout' || ['ECONNREFUSED', 'ETIMEOUT'].includes(codeOf(lookUpError));
}

function tellName(patient: Patient, judged: Judged, place: string): Finding {
  const { destination, explanation, lookUpError, wasAnswered } = judged;
  const { host, need } = destination;
  if (lookUpError) {
    if (wasAnswered) {
      const fix =
        `if clients use it: a private DNS zone that is linked to this network hides every name that it does not hold; ` +
        `else name a host that is there: lockdown-proxy doctor --host NAME`;
      return say.warn(`${need}: ${lookUpError.phrase}`, fix);
    }
    return say.fail(`${need}: ${lookUpError.phrase} (${place})`, `look at that server: nslookup ${host}`);
  }
  const { addresses, verdict, reason, fix, fixRule } = explanation;
  const found = addresses.map(({ address }) => address);
  const shown = `${need}: ${host} is ${found.slice(0, 2).join(', ')}${found.length > 2 ? `, ${found.length - 2} more` : ''}`;
  const privates = addresses.filter(({ class: of }) => of === 'private').map(({ address }) => address);
  if (verdict !== 'deny') {
    return say.ok(privates.length === 0 ? shown : `${shown}: a private endpoint, which the configuration lets pass`);
  }
  if (reason === 'address_private') {
    const prefixes = privates.map((address) => `'${address}/${address.includes(':') ? 128 : 32}'`).join(', ');
    const file = patient.file ?? '/etc/lockdown-proxy/config.yaml';
    const line =
      prefixes === ''
        ? (fix ?? '')
        : `if that is your private endpoint, in ${file}: privateDestinations: [${prefixes}]`;
    return say.fail(`${shown}: private addresses, which are refused`, line);
  }
  const remedy = fixRule === null ? (fix ?? '') : `${fix ?? ''}: ${fixRule}`;
  return say.fail(`${shown}: ${explanation.phrase ?? 'refused'}`, remedy);
}
