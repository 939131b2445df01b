/** Whom a proxy with users asks for credentials although nothing requires them, and how a client is let off. */
import { describe, expect, it } from 'vitest';
import { exemptionLine, missesUser, missesUserFor } from '../../../src/policy/users-challenge.ts';
import { parsePrefix } from '../../../src/address/ip.ts';
import { decideTarget, judgeAddresses } from '../../../src/policy/decide.ts';
import { address, ask, machineOf, policyOf } from '../../support/policy.ts';

describe('a client without credentials is asked for some where only a user is missing', () => {
  it.each([
    ['the rule names a user', ['h.example user ann'], 'h.example:443', true],
    ['no rule is for the target', ['h.example user ann'], 'other.example:443', false],
    ['the rule is for another port', ['h.example:8443 user ann'], 'h.example:443', false],
    ['the rule is for another kind', ['http://h.example user ann'], 'h.example:443', false],
    ['the rule is for the kind', ['http://h.example user ann'], 'http://h.example/', true],
    ['the rule is for another path', ['http://h.example/a user ann'], 'http://h.example/b', false],
    ['the rule is for other clients', ['h.example from 10.9.0.0/16 user ann'], 'h.example:443', false],
    ['the rule is for this client', ['h.example from 10.1.0.0/16 user ann'], 'h.example:443', true],
    ['a rule without user allows it', ['h.example', 'h.example user ann'], 'h.example:443', false],
    ['a rule denies it to everybody', ['deny h.example', 'h.example user ann'], 'h.example:443', false],
    ['a rule denies it to another user', ['deny h.example user bob', 'h.example user ann'], 'h.example:443', true],
    ['the rule is by address', ['ip:20.0.0.0/8 user ann'], '20.1.2.3:443', true],
    ['the rule is by tag, the name may be looked up', ['tag:Storage user ann'], 'a.blob.core.windows.net:443', true],
    ['the rule is by tag, the name may not', ['tag:Storage user ann'], 'h.example:443', false],
    ['the address is always forbidden', ['ip:169.254.0.0/16 user ann'], '169.254.169.254:443', false],
  ])('%s', (_name, rules, target, isAsked) => {
    const policy = policyOf(rules, { tags: { storage: ['20.0.0.0/8'] } });
    expect(missesUser(policy, ask(target))).toBe(isAsked);
  });

  it('in report mode as well, which is no rule', () => {
    expect(missesUser(policyOf(['h.example user ann'], { mode: 'report' }), ask('h.example:443'))).toBe(true);
    expect(missesUser(policyOf(['h.example'], { mode: 'report' }), ask('other.example:443'))).toBe(false);
  });
});

describe('a client without credentials is asked for some once its target has been looked up', () => {
  const host = 'a.blob.core.windows.net';
  const [inside, outside, own] = ['20.1.2.3', '40.1.2.3', '10.0.0.7'];
  it.each([
    [
      'the addresses lie outside the tag, a rule names it for a user',
      ['tag:Storage', `${host} user ann`],
      [outside],
      true,
    ],
    ['an address lies inside', ['tag:Storage', `${host} user ann`], [outside, inside], false],
    ['no rule is for a user', ['tag:Storage'], [outside], false],
    [
      'the rule for a user wants the same ranges',
      ['tag:Storage', `${host} within tag:Storage user ann`],
      [outside],
      false,
    ],
    ['the rule for a user wants others', [`${host} within tag:Storage`, 'ip:40.0.0.0/8 user ann'], [outside], true],
    ['a deny stands against the user too', ['tag:Storage', `${host} user ann`, 'deny ip:40.0.0.0/8'], [outside], false],
    ['the address is private', ['tag:Storage', `${host} user ann`], [own], false],
  ])('%s', (_name, rules, addresses, isAsked) => {
    for (const mode of ['enforce', 'report'] as const) {
      const policy = policyOf(rules, { mode, tags: { storage: ['20.0.0.0/8'] } });
      const question = ask(`${host}:443`);
      const pending = decideTarget(policy, question);
      if (pending.verdict === 'refuse') throw new Error(pending.reason);
      const decision = judgeAddresses(policy, question, pending, addresses.map(address), machineOf());
      expect(missesUserFor(policy, question, decision, machineOf())).toBe(isAsked);
      expect(missesUserFor(policy, { ...question, user: 'bob' }, decision, machineOf())).toBe(false);
    }
  });
});

describe('the line that lets a client’s subnet off', () => {
  it.each([
    [['10.1.7.0/24'], '10.1.7.4', 'auth: { requiredFrom: [] }'],
    [['10.1.7.4/32', '10.1.8.0/24'], '10.1.7.4', 'auth: { requiredFrom: ["10.1.8.0/24"] }'],
    [['10.1.4.0/22'], '10.1.7.4', 'auth: { requiredFrom: ["10.1.4.0/23", "10.1.6.0/24"] }'],
    [
      ['10.1.4.0/22', '10.9.0.0/16'],
      '10.1.4.4',
      'auth: { requiredFrom: ["10.1.6.0/23", "10.1.5.0/24", "10.9.0.0/16"] }',
    ],
    [['fd00:1:2:2::/63'], 'fd00:1:2:3::4', 'auth: { requiredFrom: ["fd00:1:2:2::/64"] }'],
    [['fd00:1:2::/62'], 'fd00:1:2:1::4', 'auth: { requiredFrom: ["fd00:1:2:2::/63", "fd00:1:2::/64"] }'],
  ])('%j without %s', (texts, client, line) => {
    const prefixes = texts.map((text) => {
      const parsed = parsePrefix(text);
      if (!parsed.ok) throw new TypeError(parsed.message);
      return parsed.value;
    });
    expect(exemptionLine(prefixes, address(client))).toBe(line);
  });
});
