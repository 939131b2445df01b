import { describe, expect, test } from 'vitest';

import { formatPrefix, hostPort, parseAddress, parsePrefix, prefixContains } from '../../../src/address/ip.ts';

function contains(prefix: string, address: string): boolean {
  const parsed = parsePrefix(prefix);
  if (!parsed.ok) throw new TypeError(parsed.message);
  return prefixContains(parsed.value, parseAddress(address)!);
}

describe('an address has one canonical spelling', () => {
  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['255.255.255.255', '255.255.255.255'],
    ['2603:1030:0:0:0:0:0:1', '2603:1030::1'],
    ['2603:1030::000A', '2603:1030::a'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::', '::'],
    ['::1.2.3.4', '::102:304'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
  ])('%s is %s', (text, canonical) => {
    expect(parseAddress(text)?.text).toBe(canonical);
  });
});

describe('an IPv4-mapped IPv6 address is the IPv4 address', () => {
  test.each(['::ffff:169.254.169.254', '::FFFF:A9FE:A9FE', '0:0:0:0:0:ffff:a9fe:a9fe'])('%s', (text) => {
    expect(parseAddress(text)).toEqual({ family: 4, text: '169.254.169.254', words: [0xa9fea9fe] });
  });

  test('while the neighbours of the mapped block stay IPv6', () => {
    expect(parseAddress('::fffe:1.2.3.4')?.family).toBe(6);
    expect(parseAddress('::ffff:0:1.2.3.4')?.family).toBe(6);
    expect(parseAddress('::1:0:ffff:102:304')?.family).toBe(6);
  });
});

describe('what only some readers take for an address is none', () => {
  test.each([
    '',
    '2130706433',
    '0x7f.1',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '01.2.3.4',
    '127.1',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '+1.2.3.4',
    '1..3.4',
    '１.2.3.4',
    '[::1]',
    '::1%eth0',
    '::1%1',
    ':::',
    '1::2::3',
    '12345::',
    '::00001',
    '1:2:3:4:5:6:7:',
    '1:2:3:4:5:6:7:8:9',
    '1::2:3:4:5:6:7:8',
    '::ffff:01.2.3.4',
    '::ffff:0x1.2.3.4',
    '::ffff:1.2.3',
    '::1.2.3.4.5',
    '1.2.3.4::',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::g',
    '::1/128',
  ])('%j', (text) => {
    expect(parseAddress(text)).toBeNull();
  });
});

describe('a prefix is read with its length, or as one address', () => {
  test.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.1.4.5', '10.1.4.5/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2603:1030::/32', '2603:1030::/32'],
    ['2603:1030::1', '2603:1030::1/128'],
    ['::/0', '::/0'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['::ffff:1.2.3.4', '1.2.3.4/32'],
  ])('%s is %s', (text, formatted) => {
    const parsed = parsePrefix(text);
    expect(parsed.ok && formatPrefix(parsed.value)).toBe(formatted);
  });

  test.each([
    ['10.1.2.3/8', 'Host bits are set, write 10.0.0.0/8'],
    ['10.0.0.1/31', 'Host bits are set, write 10.0.0.0/31'],
    ['2603:1030::1/64', 'Host bits are set, write 2603:1030::/64'],
    ['::ffff:10.1.2.3/104', 'Host bits are set, write 10.0.0.0/8'],
    ['::ffff:0:0/95', 'Host bits are set, write ::fffe:0:0/95'],
    ['10.0.0.0/33', 'Prefix length must be a number from 0 to 32'],
    ['10.0.0.0/08', 'Prefix length must be a number from 0 to 32'],
    ['10.0.0.0/', 'Prefix length must be a number from 0 to 32'],
    ['10.0.0.0/-1', 'Prefix length must be a number from 0 to 32'],
    ['10.0.0.0/8/8', 'Prefix length must be a number from 0 to 32'],
    ['10.0.0.0/255.0.0.0', 'Prefix length must be a number from 0 to 32'],
    ['::/129', 'Prefix length must be a number from 0 to 128'],
    ['10.0.0/8', 'Not an IP prefix, write it like 10.1.0.0/16 or 2001:db8::/32'],
    ['[::]/0', 'Not an IP prefix, write it like 10.1.0.0/16 or 2001:db8::/32'],
    ['', 'Not an IP prefix, write it like 10.1.0.0/16 or 2001:db8::/32'],
  ])('%s is refused: %s', (text, message) => {
    expect(parsePrefix(text)).toEqual({ ok: false, message });
  });
});

describe('a prefix holds exactly the addresses that share its leading bits', () => {
  test.each([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['128.0.0.0/1', '255.0.0.1', true],
    ['128.0.0.0/1', '127.255.255.255', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['1.2.3.4/32', '1.2.3.5', false],
    ['2603:1030:8000::/33', '2603:1030:ffff::1', true],
    ['2603:1030:8000::/33', '2603:1030:7fff::1', false],
    ['::/0', 'ffff::', true],
    ['::/0', '1.2.3.4', false],
    ['0.0.0.0/0', '::', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
  ])('%s, %s: %s', (prefix, address, held) => {
    expect(contains(prefix, address)).toBe(held);
  });
});

test('host and port are written with brackets around IPv6 alone', () => {
  expect(hostPort('a.example', 443)).toBe('a.example:443');
  expect(hostPort('1.2.3.4', 80)).toBe('1.2.3.4:80');
  expect(hostPort('2603:1030::1', 443)).toBe('[2603:1030::1]:443');
});
