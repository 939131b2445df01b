/** This machine's clock against those of the destinations: certificates, tokens and signatures go by it. */
import type { Finding } from './finding.ts';
import { about } from './finding.ts';

const say = about('machine', 'clock');
/** A Date field is whole seconds and the network takes its time; below this nobody can tell. */
const warnMs = 30_000;
/** Entra ID takes tokens that are so far off at most, and storage signatures fifteen minutes. */
const failMs = 5 * 60_000;

export const clockFix =
  'set it and keep it right: `timedatectl set-ntp true`, or with chrony `chronyc makestep`; then `timedatectl` says ' +
  '`System clock synchronized: yes`';

/** `aheadMs`: how far other clocks are ahead of ours. The median counts, for one of them may be wrong itself. */
export function tellClock(aheadMs: readonly number[]): readonly Finding[] {
  const sorted = aheadMs.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) {
    return [say.unseen('no https answer told the time', '`timedatectl` must say `System clock synchronized: yes`')];
  }
  const off = Math.abs(middle);
  const others = sorted.length === 1 ? 'a destination' : `${sorted.length} destinations`;
  if (off <= warnMs) return [say.ok(`within ${Math.max(1, Math.ceil(off / 1000))} s of ${others}`)];
  const told = `${spell(off)} ${middle > 0 ? 'behind' : 'ahead of'} ${others}`;
  return [off <= failMs ? say.warn(told, clockFix) : say.fail(told, clockFix)];
}

function spell(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3600) return `${Math.round(seconds / 60)} min`;
  return seconds < 2 * 86_400 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}
