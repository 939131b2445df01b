/** The explanation of a decision as an operator reads it. */
import type { ExplainedAddress, Explanation } from './explain.ts';

const ways: Readonly<Record<NonNullable<Explanation['way']>, string>> = {
  direct: 'direct, around the parent proxy',
  parent: 'to the parent proxy, by the address',
  parent_by_name: 'to the parent proxy by its name, not looked up here',
};

const verdictWords: Readonly<Record<Explanation['verdict'], string>> = {
  allow: 'allowed',
  deny: 'refused',
  would_deny: 'allowed by report mode alone',
  error: 'failed',
};

/** The explanation as an operator reads it. */
export function formatExplanation(explanation: Explanation): string {
  const { verdict, method, target, path, client } = explanation;
  const lines = [`${method} ${target}${path ?? ''} from ${client}: ${verdictWords[verdict]}`];
  const add = (name: string, value: string | null) => {
    if (value !== null) lines.push(`  ${name.padEnd(9)}${value}`);
  };
  add('reason', explanation.reason);
  add('answer', explanation.phrase);
  add('rule', explanation.rule === null ? 'none' : `${explanation.rule}: ${explanation.ruleText}`);
  for (const entry of explanation.addresses) add('address', `${entry.address} (${entry.class}): ${outcomeOf(entry)}`);
  add('way', explanation.way && ways[explanation.way]);
  add('tls', explanation.tlsServerName && `the server name in the tunnel must be ${explanation.tlsServerName}`);
  add('fix', explanation.fix);
  add('', explanation.fixRule && `  ${explanation.fixRule}`);
  return `${lines.join('\n')}\n`;
}

function outcomeOf({ rule, refusedFor, range }: ExplainedAddress): string {
  const where = range ? ` (tag:${range.tag} holds it in ${range.prefix})` : '';
  const by = rule === null ? '' : ` by ${rule}${where}`;
  return refusedFor === null ? `passes${by}` : `refused${by}, ${refusedFor}`;
}
