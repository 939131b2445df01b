import { describe, expect, test } from 'vitest';

import { createFlatWriter } from '../../../../src/address/flat-prefixes.ts';
import { formatPrefix, parseAddress, parsePrefix } from '../../../../src/address/ip.ts';
import { aggregatePrefixes } from '../../../../src/policy/ranges/aggregate.ts';
import { diffRanges } from '../../../../src/policy/ranges/diff.ts';
import { findAddress, findTag } from '../../../../src/policy/ranges/find.ts';
import { formatNsg, maxPrefixesPerRule, toNsgRules } from '../../../../src/policy/ranges/nsg.ts';
import { read, serviceTags } from './published.ts';

const document = read(serviceTags());

function prefix(text: string) {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(parsed.message);
  return parsed.value;
}

test('a tag is found in any case, and an unknown one brings the nearest names', () => {
  expect(findTag(document, 'STORAGE.westeurope')).toMatchObject({ ok: true, value: { name: 'Storage.WestEurope' } });
  expect(findTag(document, 'AzureBackups')).toEqual({
    ok: false,
    message: 'unknown tag "AzureBackups"; did you mean `AzureBackup`?',
  });
  expect(findTag(document, 'x\u001b[2J')).toEqual({ ok: false, message: 'unknown tag "x\\u001b[2J"' });
});

describe('an address is found in every tag that holds it, by every prefix that does', () => {
  const nested = read(
    serviceTags({ Wide: ['20.0.0.0/12', '20.1.2.0/24'], Far: ['21.0.0.0/16'], Six: ['2603:1030::/32'] }),
  );
  test.each([
    ['20.1.2.3', [{ tag: 'Wide', prefixes: ['20.0.0.0/12', '20.1.2.0/24'] }]],
    ['20.15.255.255', [{ tag: 'Wide', prefixes: ['20.0.0.0/12'] }]],
    ['20.16.0.0', []],
    ['2603:1030:ffff::', [{ tag: 'Six', prefixes: ['2603:1030::/32'] }]],
    ['::ffff:21.0.0.1', [{ tag: 'Far', prefixes: ['21.0.0.0/16'] }]],
  ])('%s', (text, expected) => {
    expect(findAddress(nested, parseAddress(text)!)).toEqual(expected);
  });
});

test('a difference names tags that came and went, and the prefixes of those that changed', () => {
  const old = read(
    serviceTags({ B: ['20.2.0.0/16'], A: ['20.1.0.0/16', '20.4.0.0/16'], Same: ['20.9.0.0/16', '20.8.0.0/16'] }),
  );
  const next = read(serviceTags({ Same: ['20.8.0.0/16', '20.9.0.0/16'], a: ['20.1.0.0/16', '2603:1030::/32'], C: [] }));
  expect(diffRanges(old, next)).toEqual({
    added: [{ tag: 'C', prefixes: [] }],
    removed: [{ tag: 'B', prefixes: ['20.2.0.0/16'] }],
    changed: [{ tag: 'a', added: ['2603:1030::/32'], removed: ['20.4.0.0/16'] }],
  });
  expect(diffRanges(old, old)).toEqual({ added: [], removed: [], changed: [] });
});

describe('prefixes are aggregated to the fewest that hold the same addresses', () => {
  test.each([
    ['halves', ['20.0.1.0/24', '20.0.0.0/24'], ['20.0.0.0/23']],
    ['halves of halves', ['20.0.0.0/24', '20.0.1.0/25', '20.0.1.128/25', '20.0.2.0/23'], ['20.0.0.0/22']],
    ['neighbours that are no halves', ['20.0.1.0/24', '20.0.2.0/24'], ['20.0.1.0/24', '20.0.2.0/24']],
    ['what lies inside', ['20.1.2.0/24', '20.0.0.0/12', '20.0.0.0/12'], ['20.0.0.0/12']],
    ['both families', ['2603:1031::/32', '20.0.0.0/12', '2603:1030::/32'], ['20.0.0.0/12', '2603:1030::/31']],
    ['a whole family', ['0.0.0.0/1', '128.0.0.0/1'], ['0.0.0.0/0']],
    ['nothing', [], []],
  ])('%s', (_, given, expected) => {
    const writer = createFlatWriter();
    for (const text of given) writer.add(text);
    expect(aggregatePrefixes([writer.take()]).map(formatPrefix)).toEqual(expected);
  });
});

test('rules of a security group are split at the limit, by family, with priorities counted up', () => {
  const many = Array.from({ length: maxPrefixesPerRule + 1 }, (_, at) => prefix(`20.${at >> 8}.${at & 255}.0/32`));
  const rules = toNsgRules([...many, prefix('2603:1030::/32')], ['AzureCloud']);
  expect(rules.map(({ name, priority, family, prefixes }) => [name, priority, family, prefixes.length])).toEqual([
    ['allow-proxy-AzureCloud-1', 200, 4, 4000],
    ['allow-proxy-AzureCloud-2', 201, 4, 1],
    ['allow-proxy-AzureCloud-3', 202, 6, 1],
  ]);
  expect(rules.flatMap((rule) => rule.prefixes).slice(0, 4001)).toEqual(many.map(formatPrefix));
});

test('the names of rules keep to what Azure takes', () => {
  const [one] = toNsgRules([prefix('20.0.0.0/16')], [`A${'.b'.repeat(40)}`]);
  expect(one!.name).toMatch(/^[a-zA-Z0-9][\w.-]{0,78}\w$/);
  expect(toNsgRules([prefix('20.0.0.0/16')], ['A', 'B'])[0]!.name).toBe('allow-proxy-ranges-1');
});

test('the commands name every prefix for both shells, and each tag by its name', () => {
  const prefixes = ['20.60.0.0/16', '20.61.0.0/17', '2603:1030::/32'].map(prefix);
  const text = formatNsg(toNsgRules(prefixes, ['Storage', 'AzureBackup']), ['Storage', 'AzureBackup']);
  const joined = text.replaceAll(/[\\`]\n\s*/g, '').replaceAll(/\(\s+/g, '(');
  const create = 'az network nsg rule create -g "$GROUP" --nsg-name "$NSG" -n';
  const rest = '--direction Outbound --access Allow --protocol Tcp --source-address-prefixes';
  const ports = '--source-port-ranges "*" --destination-port-ranges 443 --destination-address-prefixes';
  expect(joined.split('\n').filter((line) => line.startsWith('az '))).toEqual([
    `${create} 'allow-proxy-ranges-1' --priority 200 ${rest} "$FROM" ${ports} 20.60.0.0/16 20.61.0.0/17`,
    `${create} 'allow-proxy-ranges-2' --priority 201 ${rest} "$FROM6" ${ports} 2603:1030::/32`,
    `${create} 'allow-proxy-Storage' --priority 200 ${rest} "$FROM" ${ports} Storage`,
    `${create} 'allow-proxy-AzureBackup' --priority 201 ${rest} "$FROM" ${ports} AzureBackup`,
  ]);
  const add = '$nsg | Add-AzNetworkSecurityRuleConfig -Name';
  const same = '-Direction Outbound -Access Allow -Protocol Tcp -SourceAddressPrefix';
  const ends = "-SourcePortRange '*' -DestinationPortRange 443 -DestinationAddressPrefix";
  expect(joined.split('\n').filter((line) => line.startsWith('$nsg | Add'))).toEqual([
    `${add} 'allow-proxy-ranges-1' -Priority 200 ${same} $from ${ends} @('20.60.0.0/16', '20.61.0.0/17') | Out-Null`,
    `${add} 'allow-proxy-ranges-2' -Priority 201 ${same} $from6 ${ends} @('2603:1030::/32') | Out-Null`,
    `${add} 'allow-proxy-Storage' -Priority 200 ${same} $from ${ends} @('Storage') | Out-Null`,
    `${add} 'allow-proxy-AzureBackup' -Priority 201 ${same} $from ${ends} @('AzureBackup') | Out-Null`,
  ]);
});
