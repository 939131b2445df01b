/** What an address is, in every spelling, and what may lift it. */
import { describe, expect, test } from 'vitest';
import { ask, decide, machineOf, policyOf, wordOf } from '../../support/policy.ts';

const everything = ['0.0.0.0/0', '::/0'];
/** Names and every address, with private space named as well: only what nothing lifts stays refused. */
const wideRules = ['host.example.com', 'ip:0.0.0.0/0', 'ip:::/0', 'host.example.com within ip:10.0.0.0/8,ip:fc00::/7'];
const own = ['10.0.0.5', '20.0.0.5', 'fd00::5', '127.0.0.1'];

/** Both ways to an address: asked for by itself, and as what a name resolves to. */
function verdictsOf(text: string, options: Parameters<typeof policyOf>[1], port = 443): readonly string[] {
  const policy = policyOf(
    [...wideRules, `host.example.com:${port}`, `ip:0.0.0.0/0:${port}`, `ip:[::/0]:${port}`],
    options,
  );
  const machine = machineOf(own, ['10.0.0.5 3128', '127.0.0.1 3129', 'fd00::5 3128']);
  const literal = text.includes(':') ? `[${text}]` : text;
  return [
    wordOf(decide(policy, ask(`${literal}:${port}`), [], machine)),
    wordOf(decide(policy, ask(`host.example.com:${port}`), [text], machine)),
  ];
}

describe('always forbidden, whatever the rules, the lifted prefixes and the mode', () => {
  const platform = 'azure_platform_address';
  const forbidden = 'address_forbidden';
  test.each([
    ['168.63.129.16', platform],
    ['169.254.169.254', platform],
    ['::ffff:169.254.169.254', platform],
    ['::ffff:a9fe:a9fe', platform],
    ['::169.254.169.254', platform],
    ['::ffff:0:169.254.169.254', platform],
    ['64:ff9b::a9fe:a9fe', platform],
    ['64:ff9b::168.63.129.16', platform],
    ['64:ff9b:1::a9fe:a9fe', platform],
    ['2002:a83f:8110::1', platform],
    ['2001:0:a9fe:a9fe::ebeb:ebeb', platform],
    ['2001:0:1401:203::5601:5601', platform],
    ['2603:1030::5efe:169.254.169.254', platform],
    ['fd00::5efe:168.63.129.16', platform],
    ['0.0.0.0', forbidden],
    ['0.1.2.3', forbidden],
    ['::', forbidden],
    ['169.254.1.1', forbidden],
    ['fe80::1', forbidden],
    ['224.0.0.1', forbidden],
    ['ff02::1', forbidden],
    ['255.255.255.255', forbidden],
    ['240.0.0.1', forbidden],
    ['192.0.0.9', forbidden],
    ['198.18.0.1', forbidden],
    ['198.19.255.255', forbidden],
    ['192.0.2.1', forbidden],
    ['198.51.100.1', forbidden],
    ['203.0.113.1', forbidden],
    ['2001:db8::1', forbidden],
    ['fec0::1', forbidden],
    ['::127.0.0.1', forbidden],
    ['64:ff9b::e000:1', forbidden],
    ['2002:0:0::1', forbidden],
  ])('%s: %s', (text, reason) => {
    for (const mode of ['enforce', 'report'] as const) {
      expect(verdictsOf(text, { mode, privateDestinations: everything })).toEqual([reason, reason]);
    }
  });

  test.each([
    ['10.0.0.5', 3128],
    ['::ffff:10.0.0.5', 3128],
    ['64:ff9b::10.0.0.5', 3128],
    ['fd00::5', 3128],
    ['127.0.0.1', 3129],
  ])('the listener of the proxy at %s port %i', (text, port) => {
    const options = { privateDestinations: everything, mode: 'report' as const };
    expect(verdictsOf(text, options, port)).toEqual([forbidden, forbidden]);
    expect(verdictsOf(text, options, port + 10)).toEqual(['allow', 'allow']);
  });
});

describe('private, loopback and own addresses stay closed until what is named lifts them', () => {
  test.each([
    ['10.1.2.3', '10.0.0.0/8'],
    ['172.16.0.1', '172.16.0.0/12'],
    ['192.168.1.1', '192.168.1.1'],
    ['100.64.0.1', '100.64.0.0/10'],
    ['fd12::1', 'fc00::/7'],
    ['127.0.0.1', '127.0.0.0/8'],
    ['127.9.9.9', '127.0.0.0/8'],
    ['::1', '::1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['10.0.0.5', '10.0.0.0/8'],
    ['20.0.0.5', '20.0.0.5'],
  ])('%s, lifted by privateDestinations: [%s]', (text, prefix) => {
    const closed = policyOf(['host.example.com', 'ip:0.0.0.0/0', 'ip:::/0']);
    const lifted = policyOf(['host.example.com', 'ip:0.0.0.0/0', 'ip:::/0'], { privateDestinations: [prefix] });
    const literal = text.includes(':') ? `[${text}]:443` : `${text}:443`;
    const machine = machineOf(own);
    for (const [question, addresses] of [
      [ask(literal), []],
      [ask('host.example.com:443'), [text]],
    ] as const) {
      expect(wordOf(decide(closed, question, addresses, machine))).toBe('address_private');
      expect(wordOf(decide(lifted, question, addresses, machine))).toBe('allow');
    }
  });

  test('a lifted address still needs a rule', () => {
    const policy = policyOf(['other.example.com'], { privateDestinations: ['10.0.0.0/8'] });
    expect(wordOf(decide(policy, ask('10.1.2.3:443')))).toBe('not_on_allowlist');
    expect(wordOf(decide(policy, ask('host.example.com:443'), ['10.1.2.3']))).toBe('not_on_allowlist');
  });

  test.each([
    [['64:ff9b::/96'], 'address_private'],
    [['10.0.0.0/8'], 'address_private'],
    [['64:ff9b::/96', '10.0.0.0/8'], 'allow'],
  ])('a private address inside another is lifted where both are named: %j is %s', (privateDestinations, verdict) => {
    const policy = policyOf(['host.example.com'], { privateDestinations });
    expect(wordOf(decide(policy, ask('host.example.com:443'), ['64:ff9b::10.1.2.3']))).toBe(verdict);
  });

  test.each([
    ['within ip:10.1.0.0/16', '10.1.2.3', 'allow'],
    ['within ip:10.1.2.3', '10.1.2.3', 'allow'],
    ['within ip:fd00::/8', 'fd00::7', 'allow'],
    ['within ip:10.1.0.0/16', '10.2.2.3', 'address_private'],
    ['within ip:10.1.0.0/16', '20.1.2.3', 'address_outside_ranges'],
    ['within ip:0.0.0.0/0', '10.1.2.3', 'address_private'],
    ['within ip:8.0.0.0/5', '10.1.2.3', 'address_private'],
    ['within tag:inside', '10.1.2.3', 'address_private'],
    ['within ip:10.0.0.0/8', '10.0.0.5', 'address_private'],
    ['within ip:fc00::/7', 'fd00::5', 'address_private'],
    ['within ip:127.0.0.0/8', '127.0.0.1', 'address_private'],
    ['within ip:20.0.0.0/8', '20.0.0.5', 'address_private'],
    ['within ip:fd00::/8', 'fd00::5efe:127.0.0.1', 'address_private'],
    ['within ip:fd00::/8', 'fd00::5efe:10.1.2.3', 'address_private'],
    ['within ip:fd00::/8,ip:10.0.0.0/8', 'fd00::5efe:10.1.2.3', 'allow'],
    ['within ip:64:ff9b::/96,ip:10.0.0.0/8', '64:ff9b::10.1.2.3', 'address_private'],
  ])('%s lets a name at %s: %s', (clause, text, verdict) => {
    const policy = policyOf([`host.example.com ${clause}`], { tags: { inside: ['10.0.0.0/8'] } });
    const decision = decide(policy, ask('host.example.com:443'), [text], machineOf(own));
    expect(wordOf(decision)).toBe(verdict);
  });

  test('within lifts for its own rule alone', () => {
    const policy = policyOf(['a.example.com within ip:10.1.0.0/16', '*.example.com', 'ip:10.1.0.0/16']);
    expect(wordOf(decide(policy, ask('a.example.com:443'), ['10.1.2.3']))).toBe('allow');
    expect(wordOf(decide(policy, ask('b.example.com:443'), ['10.1.2.3']))).toBe('address_private');
    expect(wordOf(decide(policy, ask('10.1.2.3:443')))).toBe('address_private');
  });

  test('an own address is said to be own, private or not', () => {
    const policy = policyOf(['host.example.com']);
    const decision = decide(policy, ask('host.example.com:443'), ['10.0.0.5', '20.0.0.5', '127.0.0.1'], machineOf(own));
    expect(decision).toMatchObject({ judged: [{ class: 'own' }, { class: 'own' }, { class: 'loopback' }] });
  });
});

describe('of many addresses each is judged alone', () => {
  const rules = ['a.example.com within ip:20.0.0.0/8', 'deny ip:20.9.0.0/16', 'b.example.com'];
  test.each<[string, readonly string[], string, readonly string[]]>([
    ['a.example.com', ['20.1.1.1', '30.1.1.1'], 'allow', ['20.1.1.1']],
    ['a.example.com', ['10.1.1.1', '20.1.1.1', '20.9.1.1', '20.2.2.2'], 'allow', ['20.1.1.1', '20.2.2.2']],
    ['b.example.com', ['10.1.1.1', '2603:1030::1', '127.0.0.1'], 'allow', ['2603:1030::1']],
    ['b.example.com', ['20.1.1.1', '169.254.1.1'], 'address_forbidden', []],
    ['b.example.com', ['20.1.1.1', '168.63.129.16', '0.0.0.0'], 'azure_platform_address', []],
    ['b.example.com', ['20.1.1.1', '10.0.0.5'], 'address_forbidden', []],
    ['a.example.com', ['30.1.1.1', '10.1.1.1'], 'address_private', []],
    ['a.example.com', ['10.1.1.1', '20.9.1.1', '30.1.1.1'], 'denied_by_rule', []],
    ['a.example.com', ['30.1.1.1', '31.1.1.1'], 'address_outside_ranges', []],
    ['a.example.com', ['20.9.1.1', '224.0.0.1'], 'address_forbidden', []],
  ])('%s at %j: %s %j', (host, addresses, verdict, left) => {
    for (const order of [addresses, addresses.toReversed()]) {
      const decision = decide(policyOf(rules), ask(`${host}:443`), order, machineOf([], ['10.0.0.5 443']));
      expect(wordOf(decision)).toBe(verdict);
      const dialled = decision.verdict === 'allow' ? decision.addresses.map(({ address }) => address.text) : [];
      expect(dialled.toSorted()).toEqual([...left].sort());
    }
  });

  test.each([
    ['10.1.4.5', 'Private address 10.1.4.5'],
    ['30.1.1.1', 'Address outside ranges: 30.1.1.1'],
    ['169.254.7.7', 'Address not allowed: 169.254.7.7'],
    ['169.254.169.254', 'Azure metadata unreachable through a proxy; set no_proxy'],
  ])('the phrase for %s is %s', (text, phrase) => {
    expect(decide(policyOf(rules), ask('a.example.com:443'), [text])).toMatchObject({ phrase });
  });
});
