/** Rules found by name, address and port. */
import { describe, expect, test } from 'vitest';
import { createRuleIndex } from '../../../src/policy/rule-index.ts';
import { address, prefixes, rulesOf } from '../../support/policy.ts';

const indexOf = (lines: readonly string[], tags: Readonly<Record<string, readonly string[]>> = {}) =>
  createRuleIndex(rulesOf(lines), new Map(Object.entries(tags).map(([tag, texts]) => [tag, prefixes(texts)])));
const textsOf = (rules: readonly { readonly text: string }[]) => rules.map(({ text }) => text);

describe('rules by name', () => {
  const index = indexOf([
    '.com.example',
    '*.b.com.example',
    'a-*.b.com.example',
    '.a-1.b.com.example',
    'a-1.b.com.example',
  ]);
  test.each<[string, readonly string[]]>([
    [
      'a-1.b.com.example',
      ['.a-1.b.com.example', 'a-1.b.com.example', 'a-*.b.com.example', '*.b.com.example', '.com.example'],
    ],
    ['x.a-1.b.com.example', ['.a-1.b.com.example', '*.b.com.example', '.com.example']],
    ['b.com.example', ['.com.example']],
    ['com.example', ['.com.example']],
    ['example', []],
    ['xcom.example', []],
    ['', []],
    ['.', []],
  ])('%s: the exact ones first, then the longest suffix: %j', (host, texts) => {
    expect(textsOf(index.forHost(host))).toEqual(texts);
  });

  test('names that a plain object would know are only names', () => {
    expect(indexOf(['a.example.com']).forHost('constructor')).toEqual([]);
    expect(textsOf(indexOf(['constructor.example.com']).forHost('constructor.example.com'))).toHaveLength(1);
  });
});

describe('rules by address', () => {
  const index = indexOf(
    [
      'ip:0.0.0.0/0',
      'ip:20.1.2.3',
      'ip:20.0.0.0/8',
      'ip:20.1.2.3:80',
      'ip:2603:1030::/32',
      'ip:::/0',
      'tag:Near',
      'tag:Gone',
    ],
    { near: ['20.1.2.0/24', '2603:1030::/48'] },
  );
  test.each<[string, readonly string[]]>([
    ['20.1.2.3', ['ip:20.1.2.3', 'ip:20.1.2.3:80', 'ip:20.0.0.0/8', 'ip:0.0.0.0/0', 'tag:Near']],
    ['20.1.2.4', ['ip:20.0.0.0/8', 'ip:0.0.0.0/0', 'tag:Near']],
    ['21.1.2.3', ['ip:0.0.0.0/0']],
    ['255.255.255.254', ['ip:0.0.0.0/0']],
    ['2603:1030::1', ['ip:2603:1030::/32', 'ip:::/0', 'tag:Near']],
    ['2603:1030:0:1::', ['ip:2603:1030::/32', 'ip:::/0', 'tag:Near']],
    ['2603:1030:1::', ['ip:2603:1030::/32', 'ip:::/0']],
    ['2603:1031::1', ['ip:::/0']],
  ])('%s: the longest prefix first, then tags: %j', (text, texts) => {
    expect(textsOf(index.forAddress(address(text)))).toEqual(texts);
  });

  test('prefixes that differ in their last bit are apart, at every length', () => {
    for (let length = 1; length <= 32; length++) {
      const bit = 2 ** (32 - length);
      const quad = (word: number) => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');
      const one = indexOf([`ip:${quad(bit)}/${length}`]);
      expect(one.forAddress(address(quad(bit)))).toHaveLength(1);
      expect(one.forAddress(address(quad(2 * bit - 1)))).toHaveLength(1);
      expect(one.forAddress(address(quad(bit - 1)))).toHaveLength(0);
    }
  });
});

describe('whom address rules on a port could speak for', () => {
  test('rules that ask the same of a request are one, others are apart', () => {
    const index = indexOf([
      'ip:20.1.0.0/16',
      'ip:20.2.0.0/16',
      'ip:20.3.0.0/16:80,443',
      'ip:20.4.0.0/16 from 10.0.0.0/8',
      'ip:20.5.0.0/16 from 10.0.0.0/8',
      'ip:20.6.0.0/16 from 11.0.0.0/8',
      'ip:20.7.0.0/16 user eve',
      'a.example.com',
    ]);
    expect(textsOf(index.forAddressOnPort(443))).toEqual([
      'ip:20.1.0.0/16',
      'ip:20.3.0.0/16:80,443',
      'ip:20.4.0.0/16 from 10.0.0.0/8',
      'ip:20.6.0.0/16 from 11.0.0.0/8',
      'ip:20.7.0.0/16 user eve',
    ]);
    expect(textsOf(index.forAddressOnPort(80))).toEqual(['ip:20.3.0.0/16:80,443']);
    expect(index.forAddressOnPort(22)).toEqual([]);
  });

  test('a tag counts, in any case, while the ranges hold prefixes for it', () => {
    expect(indexOf(['tag:Near'], { near: ['20.1.2.0/24'] }).forAddressOnPort(443)).toHaveLength(1);
    expect(indexOf(['tag:Near'], { near: [] }).forAddressOnPort(443)).toEqual([]);
    expect(indexOf(['tag:Near']).forAddressOnPort(443)).toEqual([]);
  });
});
