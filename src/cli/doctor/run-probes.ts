/** Runs probes side by side, each within its own time: one that hangs holds up no other. */
import type { Finding, Group, Check } from './finding.ts';
import { about, messageOf } from './finding.ts';

export interface Probe {
  readonly group: Group;
  readonly check: Check;
  /** In milliseconds; less than the fifteen seconds that the whole command may take. */
  readonly budgetMs: number;
  /** The signal ends with the budget. */
  readonly run: (signal: AbortSignal) => Promise<readonly Finding[]>;
}

/** Gives what all probes found, in their order; a probe that throws or is late becomes a finding of its own. */
export async function runProbes(probes: readonly Probe[]): Promise<readonly Finding[]> {
  const found = await Promise.all(probes.map(runOne));
  return found.flat();
}

async function runOne({ group, check, budgetMs, run }: Probe): Promise<readonly Finding[]> {
  const say = about(group, check);
  const late = Promise.withResolvers<readonly Finding[]>();
  const ending = new AbortController();
  const timer = setTimeout(() => {
    ending.abort(new Error('the time of this check is over'));
    late.resolve([
      say.fail(`no result within ${budgetMs / 1000} s`, 'run doctor again; if it stays so, something here hangs'),
    ]);
  }, budgetMs);
  try {
    return await Promise.race([run(ending.signal), late.promise]);
  } catch (error) {
    return [say.fail(`this check itself failed: ${messageOf(error)}`, 'report this line, with the version')];
  } finally {
    clearTimeout(timer);
    ending.abort(new Error('done'));
  }
}
