import { describe, expect, test } from 'vitest';

import { formatPrefix, parseAddress } from '../../../src/address/ip.ts';
import type { AddressClass } from '../../../src/address/special-purpose.ts';
import {
  classifyAddress,
  embeddedAddresses,
  gravity,
  isAlwaysForbidden,
  privatePrefixes,
} from '../../../src/address/special-purpose.ts';

const classOf = (text: string): AddressClass => classifyAddress(parseAddress(text)!);

describe('an address is classed by the special-purpose registries, to the edges of each block', () => {
  test.each<[AddressClass, string[]]>([
    ['public', ['1.0.0.0', '9.255.255.255', '20.38.98.100', '100.63.255.255', '100.128.0.0', '168.63.129.15']],
    ['public', ['168.63.129.17', '172.15.255.255', '172.32.0.0', '192.0.1.0', '198.17.255.255', '198.20.0.0']],
    ['public', ['223.255.255.255', '2603:1030::1', '2000::', '3ffe::1', '2001:200::1', '2a01:111::1']],
    ['public', ['64:ff9b::8.8.8.8', '2002:808:808::1', '2001:0:808:808::f7f7:f7f7', '2001:3::1', '2001:1::1']],
    ['private', ['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255']],
    ['private', ['100.64.0.0', '100.127.255.255', 'fc00::', 'fdff:ffff::1', 'fd00:ec2::254', '::ffff:10.1.4.5']],
    ['loopback', ['127.0.0.0', '127.0.0.1', '127.255.255.255', '::1', '::ffff:127.0.0.1']],
    ['azure_platform', ['168.63.129.16', '169.254.169.254', '::ffff:169.254.169.254', '::ffff:a83f:8110']],
    ['unspecified', ['0.0.0.0', '::', '::ffff:0.0.0.0']],
    ['link_local', ['169.254.0.0', '169.254.169.253', '169.254.255.255', 'fe80::1', 'febf::1']],
    ['multicast', ['224.0.0.0', '239.255.255.255', 'ff00::', 'ff02::1', 'ffff::1']],
    ['broadcast', ['255.255.255.255']],
    ['reserved', ['0.0.0.1', '0.255.255.255', '192.0.0.0', '192.0.0.9', '192.0.0.255', '192.88.99.1']],
    ['reserved', ['240.0.0.0', '255.255.255.254', 'fec0::1', 'feff::1', '100::1', '100:0:0:1::1', '5f00::1']],
    ['reserved', ['2001:10::1', '2001:1ff:ffff::1', '4000::1', '64:ff9b:1::8.8.8.8', '::8.8.8.8', '::ffff:0:8.8.8.8']],
    ['benchmarking', ['198.18.0.0', '198.19.255.255', '2001:2::1']],
    ['documentation', ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1', '3fff:fff::1']],
  ])('%s: %j', (expected, texts) => {
    expect(texts.map((text) => [text, classOf(text)])).toEqual(texts.map((text) => [text, expected]));
  });
});

describe('an address is judged by what it carries as well, and the graver class counts', () => {
  test.each<[string, string, string[], AddressClass]>([
    ['IPv4-compatible', '::169.254.169.254', ['169.254.169.254'], 'azure_platform'],
    ['IPv4-compatible', '::127.0.0.1', ['127.0.0.1'], 'reserved'],
    ['SIIT', '::ffff:0:168.63.129.16', ['168.63.129.16'], 'azure_platform'],
    ['NAT64', '64:ff9b::169.254.169.254', ['169.254.169.254'], 'azure_platform'],
    ['NAT64', '64:ff9b::10.0.0.1', ['10.0.0.1'], 'private'],
    ['NAT64', '64:ff9b::127.0.0.1', ['127.0.0.1'], 'loopback'],
    ['6to4', '2002:a9fe:a9fe::1', ['169.254.169.254'], 'azure_platform'],
    ['6to4', '2002:c0a8:101:5:6:7:8:9', ['192.168.1.1'], 'private'],
    ['Teredo server', '2001:0:a83f:8110:0:0:f7f7:f7f7', ['168.63.129.16', '8.8.8.8'], 'azure_platform'],
    ['Teredo client', '2001:0:808:808:0:0:5601:5601', ['8.8.8.8', '169.254.169.254'], 'azure_platform'],
    ['ISATAP', '2603:1030::5efe:a9fe:a9fe', ['169.254.169.254'], 'azure_platform'],
    ['ISATAP', '2603:1030::200:5efe:10.0.0.1', ['10.0.0.1'], 'private'],
    ['ISATAP in 6to4', '2002:808:808::5efe:168.63.129.16', ['8.8.8.8', '168.63.129.16'], 'azure_platform'],
  ])('%s %s carries %j: %s', (_form, text, carried, expected) => {
    expect(embeddedAddresses(parseAddress(text)!).map((address) => address.text)).toEqual(carried);
    expect(classOf(text)).toBe(expected);
  });

  test.each([
    ['/48', '64:ff9b:1:a9fe:a9:fe00::'],
    ['/56', '64:ff9b:1:a9:fe:a9fe::'],
    ['/64', '64:ff9b:1:0:a9:fea9:fe00:0'],
    ['/96', '64:ff9b:1::169.254.169.254'],
  ])('local NAT64 with a %s carries the metadata address in %s', (_length, text) => {
    expect(classOf(text)).toBe('azure_platform');
  });

  test.each(['1.2.3.4', '::', '::1', '2603:1030::1', '2001:200::1', '64:ff9c::10.0.0.1', 'fd00::6efe:10.0.0.1'])(
    '%s carries nothing',
    (text) => {
      expect(embeddedAddresses(parseAddress(text)!)).toEqual([]);
    },
  );
});

describe('classes by gravity', () => {
  test('the Azure platform is graver than our listeners, these than other forbidden ones, these than liftable ones', () => {
    const order: AddressClass[] = ['public', 'private', 'reserved', 'listener', 'azure_platform'];
    expect(order.toSorted((a, b) => gravity(a) - gravity(b))).toEqual(order);
    expect(new Set(order.map(gravity)).size).toBe(order.length);
    expect([gravity('loopback'), gravity('own')]).toEqual([gravity('private'), gravity('private')]);
  });

  test.each<[boolean, AddressClass[]]>([
    [false, ['public', 'private', 'loopback', 'own']],
    [true, ['listener', 'azure_platform', 'unspecified', 'link_local', 'multicast', 'broadcast', 'reserved']],
    [true, ['benchmarking', 'documentation']],
  ])('always forbidden is %s for %j', (forbidden, classes) => {
    expect(classes.map(isAlwaysForbidden)).toEqual(classes.map(() => forbidden));
  });
});

test('the private space is RFC 1918, the carriers shared block and unique local addresses', () => {
  expect(privatePrefixes.map(formatPrefix).toSorted()).toEqual([
    '10.0.0.0/8',
    '100.64.0.0/10',
    '172.16.0.0/12',
    '192.168.0.0/16',
    'fc00::/7',
  ]);
});
