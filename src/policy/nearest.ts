/** Which known words a mistyped one was meant to be. */
import { distance } from 'fastest-levenshtein';

/**
 * The candidates nearest to `word`, best first: a fault that names the right word saves its reader a search.
 * Case is ignored, and a candidate more than a third of the word away is no suggestion at all.
 */
export function nearest(word: string, candidates: Iterable<string>, max = 3): readonly string[] {
  const wanted = word.toLowerCase();
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, away: distance(wanted, candidate.toLowerCase()) }))
    .filter(({ candidate, away }) => away <= limit && away < candidate.length)
    .sort((a, b) => a.away - b.away || a.candidate.localeCompare(b.candidate, 'en'))
    .slice(0, max)
    .map(({ candidate }) => candidate);
}

/** `; did you mean X or Y?`, or nothing where no candidate is near: the tail of a fault message. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const found = nearest(word, candidates).map((candidate) => `\`${candidate}\``);
  return found.length === 0 ? '' : `; did you mean ${found.join(' or ')}?`;
}
