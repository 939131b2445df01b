/** What the machine says about its own addresses, listeners and subnets. */
import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import { formatPrefix } from '../../../src/address/ip.ts';
import { createMachine, ownSubnets } from '../../../src/state/machine.ts';
import { address } from '../../support/policy.ts';

/** Interfaces as the system lists them, from `address/length`. */
const interfacesOf = (...cidrs: readonly string[]) => ({
  eth0: cidrs.map((cidr) => ({ address: cidr.split('/')[0]!, cidr }) as NetworkInterfaceInfo),
});

describe('own addresses', () => {
  const machine = createMachine(() => interfacesOf('127.0.0.1/8', '10.0.0.5/24', 'fe80::5%eth0/64', 'fd00::5/64'));
  test.each([
    ['10.0.0.5', true],
    ['::ffff:10.0.0.5', true],
    ['127.0.0.1', true],
    ['fe80::5', true],
    ['fd00:0::5', true],
    ['10.0.0.6', false],
    ['fd00::6', false],
  ])('%s: %s', (text, isOwn) => {
    expect(machine.isOwnAddress(address(text))).toBe(isOwn);
  });

  test('one that is added later counts after five seconds, without reading the interfaces each time', () => {
    let at = 1000;
    let cidrs = ['10.0.0.5/24'];
    let reads = 0;
    const read = () => {
      reads += 1;
      return interfacesOf(...cidrs);
    };
    const machine = createMachine(read, () => at);
    expect(machine.isOwnAddress(address('10.0.0.6'))).toBe(false);
    cidrs = ['10.0.0.6/24'];
    at += 5000;
    expect(machine.isOwnAddress(address('10.0.0.6'))).toBe(false);
    expect(reads).toBe(1);
    at += 1;
    expect(machine.isOwnAddress(address('10.0.0.6'))).toBe(true);
    expect(machine.isOwnAddress(address('10.0.0.5'))).toBe(false);
    expect(reads).toBe(2);
  });
});

describe('own listeners', () => {
  const read = () => interfacesOf('127.0.0.1/8', '10.0.0.5/24', 'fd00::5/64');
  test.each([
    ['0.0.0.0', '10.0.0.5', 3128, true],
    ['0.0.0.0', '127.0.0.1', 3128, true],
    ['0.0.0.0', '127.9.9.9', 3128, true],
    ['0.0.0.0', '10.0.0.6', 3128, false],
    ['0.0.0.0', '10.0.0.5', 3129, false],
    ['::', '10.0.0.5', 3128, true],
    ['::', 'fd00::5', 3128, true],
    ['::', '::1', 3128, true],
    ['10.0.0.5', '10.0.0.5', 3128, true],
    ['10.0.0.5', '::ffff:10.0.0.5', 3128, true],
    ['10.0.0.5', '127.0.0.1', 3128, false],
    ['127.0.0.1', '127.0.0.1', 3128, true],
    ['127.0.0.1', '127.0.0.2', 3128, false],
    ['127.0.0.1', '10.0.0.5', 3128, false],
  ])('bound to %s port 3128, %s port %i is one: %s', (bound, text, port, isListener) => {
    const machine = createMachine(read);
    machine.addListener('127.0.0.1', 9);
    machine.addListener(bound, 3128);
    expect(machine.isOwnListener(address(text), port)).toBe(isListener);
  });

  test('there is none before one is added', () => {
    expect(createMachine(read).isOwnListener(address('127.0.0.1'), 3128)).toBe(false);
  });
});

test('own subnets are those of the interfaces, host bits cleared', () => {
  const read = () =>
    interfacesOf('127.0.0.1/8', '10.1.2.77/20', '192.168.1.1/32', '2603:1030:5:6:7::8/60', 'fe80::5%2/64');
  expect(ownSubnets(read).map(formatPrefix)).toEqual([
    '127.0.0.0/8',
    '10.1.0.0/20',
    '192.168.1.1/32',
    '2603:1030:5::/60',
    'fe80::/64',
  ]);
  expect(ownSubnets(() => ({}))).toEqual([]);
  const unknown = { eth0: [{ address: '10.1.2.3', cidr: null } as NetworkInterfaceInfo] };
  expect(ownSubnets(() => unknown)).toEqual([]);
});
