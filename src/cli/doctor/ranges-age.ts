/** The datacenter ranges: whether some rule goes by them, where they came from, how old they are. */
import { currentRanges } from '../ranges-current.ts';
import { reportRanges } from '../ranges-status.ts';
import type { Finding } from './finding.ts';
import { about } from './finding.ts';
import type { Patient } from './patient.ts';

const say = about('network', 'ranges');

export async function probeRanges({ file, isSound, sources }: Patient): Promise<readonly Finding[]> {
  const current = await currentRanges(isSound ? file : null);
  const { inForce, isUsed, isStale, staleAfterDays, lastAttempt, prefixes, notes } = reportRanges(
    current,
    sources.now(),
  );
  if (!isUsed) return [say.ok('no rule names a service tag: none are needed, none are fetched')];
  const fix = 'lockdown-proxy ranges refresh';
  if (inForce === null) return [say.fail('there are none: rules with `tag:` match nothing', fix)];
  const told = `of ${inForce.date ?? 'no date'}, from ${inForce.source}${inForce.fetchedAt === null ? '' : `, fetched ${inForce.fetchedAt}`}`;
  const empty = [...current.ruleTags].filter((tag) => !current.held?.document.tags.has(tag));
  const failed = lastAttempt?.source === null ? lastAttempt.failures.map(({ source, why }) => `${source}: ${why}`) : [];
  const shown = Object.entries(prefixes).filter(([tag]) => current.ruleTags.has(tag.toLowerCase()));
  return [
    isStale
      ? say.warn(`${told}: no refresh for over ${staleAfterDays} days`, fix)
      : say.ok(`${told}; ${shown.map(([tag, count]) => `${tag} ${count} prefixes`).join(', ')}`),
    ...empty.map((tag) =>
      say.fail(
        `tag ${tag} is named by a rule and is not in them: that rule matches nothing`,
        `${fix}, or \`lockdown-proxy check\` for its name`,
      ),
    ),
    ...(failed.length > 0
      ? [
          say.warn(
            `the last refresh failed: ${failed.join('; ')}`,
            `${fix} says it again; the source has to be let out for this machine`,
          ),
        ]
      : []),
    ...notes.map((note) => say.warn(note, fix)),
  ];
}
