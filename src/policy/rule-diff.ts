/** What a reload does to the rules: which came, which went, and which let more through than before. */
import type { Rule } from './rule.ts';

/** A line that held something back and does not any more, with what it was that went. */
export interface Loosening {
  readonly rule: Rule;
  readonly message: string;
}

export interface RuleDiff {
  readonly added: readonly Rule[];
  readonly removed: readonly Rule[];
  /** Old lines whose end lets more through; nobody should learn of one from the access log. */
  readonly loosened: readonly Loosening[];
}

/** Compares rules by their normal text: order, comments and the file they stand in change nothing. */
export function diffRules(old: readonly Rule[], next: readonly Rule[]): RuleDiff {
  const added = missingFrom(next, old);
  const removed = missingFrom(old, next);
  const loosened = removed.flatMap((rule): Loosening[] => {
    if (rule.deny) return [{ rule, message: `\`${rule.text}\` refuses no more` }];
    const targets = added.filter((other) => !other.deny && targetOf(other) === targetOf(rule));
    const looser = targets.find((other) => clausesGone(rule, other).length > 0);
    if (!looser) return [];
    const gone = clausesGone(rule, looser).join(', ');
    return [{ rule, message: `\`${rule.text}\` became \`${looser.text}\`, without ${gone}` }];
  });
  return { added, removed, loosened };
}

function missingFrom(rules: readonly Rule[], others: readonly Rule[]): readonly Rule[] {
  const known = new Set(others.map(({ text }) => text));
  return rules.filter(({ text }) => !known.has(text));
}

function targetOf({ text }: Rule): string {
  return text.split(' ', 1)[0] ?? '';
}

/** The clauses of `old` that hold something back and have no counterpart; that TLS is looked at is one of them. */
function clausesGone(old: Rule, next: Rule): readonly string[] {
  return [
    ...(old.within !== null && next.within === null ? ['`within`'] : []),
    ...(old.from !== null && next.from === null ? ['`from`'] : []),
    ...(old.users !== null && next.users === null ? ['`user`'] : []),
    ...(!old.tlsOff && next.tlsOff ? ['a look at TLS (`tls off`)'] : []),
  ];
}
