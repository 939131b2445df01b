/** `explain` over service tags: which tag let an address pass, and by which prefix. */
import { expect, test } from 'vitest';
import { formatExplanation } from '../../../src/cli/explain-text.ts';
import { explain } from '../../../src/cli/explain.ts';
import type { Explanation } from '../../../src/cli/explain.ts';
import { address, machineOf, policyOf } from '../../support/policy.ts';

const rules = [
  'tag:Storage.WestEurope',
  'https://a.example within tag:AzureBackup,tag:Sql,ip:20.9.0.0/16',
  'deny tag:Closed',
  'https://b.example',
];
const tags = {
  'storage.westeurope': ['20.60.0.0/16', '20.60.1.0/24'],
  sql: ['20.5.0.0/16'],
  closed: ['20.7.7.0/24'],
};

function explainTag(target: string, ...answer: readonly string[]): Promise<Explanation> {
  return explain(
    { target, from: '10.1.1.1', user: null, resolve: null, method: null },
    {
      policy: policyOf(rules, { tags }),
      machine: machineOf([], []),
      resolve: () => Promise.resolve(answer.map(address)),
    },
  );
}

test.each([
  ['a tag rule', '20.60.1.2:443', [], { tag: 'Storage.WestEurope', prefix: '20.60.0.0/16' }],
  ['a `within` clause, by the tag that holds it', 'a.example:443', ['20.5.1.1'], { tag: 'Sql', prefix: '20.5.0.0/16' }],
  ['a deny by tag', 'b.example:443', ['20.7.7.7'], { tag: 'Closed', prefix: '20.7.7.0/24' }],
])('%s is said with the tag and its prefix', async (_, target, answer, range) => {
  const explanation = await explainTag(target, ...answer);
  expect(explanation.addresses.map((entry) => entry.range)).toEqual([range]);
  expect(formatExplanation(explanation)).toContain(`(tag:${range.tag} holds it in ${range.prefix})`);
});

test('where no tag let it pass none is said', async () => {
  const explanation = await explainTag('a.example:443', '20.9.1.1', '20.8.1.1');
  expect(explanation.addresses.map((entry) => 'range' in entry)).toEqual([false, false]);
  expect(explanation.addresses.map((entry) => entry.refusedFor)).toEqual([null, 'address_outside_ranges']);
});
