/** What `explain` says of a target that is for users. */
import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/cli/explain.ts';
import { address, machineOf, policyOf, prefixes } from '../../support/policy.ts';

const rules = [
  'u.example user ann',
  'open.example',
  'deny d.example',
  'd.example user ann',
  'w.example within ip:40.0.0.0/8',
  'w.example user ann',
];

const ask = (target: string, user: string | null, requiredFrom: readonly string[] = []) =>
  explain(
    { target, from: '10.1.1.1', user, resolve: ['20.1.2.3'], method: null },
    {
      policy: policyOf(rules),
      machine: machineOf(),
      requiredFrom: prefixes(requiredFrom),
      resolve: () => Promise.resolve([address('20.1.2.3')]),
    },
  );

const challenged = {
  verdict: 'deny',
  reason: 'credentials_missing',
  phrase: 'Proxy Authentication Required: send Basic credentials',
  rule: null,
  fixRule: null,
  fix: 'the client has to sign in; `--user NAME` explains the target for one that does',
};

describe('a target is', () => {
  it.each([
    ['for its user', 'u.example:443', 'ann', [], { verdict: 'allow', reason: null }],
    ['challenged where only a user is missing', 'u.example:443', null, [], challenged],
    ['refused to another user', 'u.example:443', 'bob', [], { verdict: 'deny', reason: 'not_on_allowlist' }],
    ['for everybody', 'open.example:443', null, [], { verdict: 'allow', reason: null }],
    ['challenged where the client has to sign in', 'open.example:443', null, ['10.1.0.0/16'], challenged],
    ['challenged there whatever it is', 'other.example:443', null, ['10.1.0.0/16'], challenged],
    ['challenged where its addresses are for users alone', 'w.example:443', null, [], challenged],
    ['for its user wherever it leads', 'w.example:443', 'ann', [], { verdict: 'allow', reason: null }],
    ['for a client that signed in', 'open.example:443', 'bob', ['10.1.0.0/16'], { verdict: 'allow', reason: null }],
    ['denied before anybody is asked who it is', 'd.example:443', null, [], { reason: 'denied_by_rule' }],
  ])('%s', async (_name, target, user, requiredFrom, expected) => {
    expect(await ask(target, user, requiredFrom)).toMatchObject(expected);
  });
});
