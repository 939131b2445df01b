/** What this machine is on the network: its own addresses and the proxy's own listeners, which no target may be. */
import { networkInterfaces } from 'node:os';
import type { Address, Prefix } from '../address/ip.ts';
import { parseAddress, parsePrefix } from '../address/ip.ts';
import { classifyAddress } from '../address/special-purpose.ts';
import type { Machine } from '../policy/decide.ts';

/** How long a reading of the interfaces serves, in milliseconds: an address added later counts after this. */
const freshMs = 5000;

export interface LiveMachine extends Machine {
  /** Says which address and port a listener of this process is bound to. */
  addListener(address: string, port: number): void;
}

/** Reads the interfaces of this machine, again when a reading is older than five seconds; `now` is in milliseconds. */
export function createMachine(
  read: typeof networkInterfaces = networkInterfaces,
  now: () => number = () => performance.now(),
): LiveMachine {
  const listeners: { address: Address; port: number }[] = [];
  let own = new Set<string>();
  let readAt = -Infinity;
  const isOwnAddress = (address: Address): boolean => {
    const at = now();
    if (at - readAt > freshMs) {
      own = new Set(interfaceAddresses(read()).map((entry) => entry.address.text));
      readAt = at;
    }
    return own.has(address.text);
  };
  return {
    isOwnAddress,
    isOwnListener: (address, port) =>
      listeners.some(
        (listener) =>
          listener.port === port &&
          (listener.address.text === address.text ||
            (classifyAddress(listener.address) === 'unspecified' &&
              (isOwnAddress(address) || classifyAddress(address) === 'loopback'))),
      ),
    addListener(text, port) {
      const address = parseAddress(text);
      if (address) listeners.push({ address, port });
    },
  };
}

/** The subnets this machine's interfaces are in; what `networks: [auto]` means beside loopback. */
export function ownSubnets(read: typeof networkInterfaces = networkInterfaces): readonly Prefix[] {
  return interfaceAddresses(read()).flatMap((entry) => {
    const subnet = entry.length === null ? null : parsePrefix(networkOf(entry.address, entry.length));
    return subnet?.ok ? [subnet.value] : [];
  });
}

function interfaceAddresses(
  interfaces: ReturnType<typeof networkInterfaces>,
): { address: Address; length: number | null }[] {
  return Object.values(interfaces)
    .flatMap((entries) => entries ?? [])
    .flatMap((entry) => {
      const address = parseAddress(entry.address.replace(/%.*$/, ''));
      const length = entry.cidr?.split('/')[1];
      return address ? [{ address, length: length === undefined ? null : Number(length) }] : [];
    });
}

function networkOf(address: Address, length: number): string {
  const words = address.words.map((word, index) => {
    const bits = Math.min(32, Math.max(0, length - index * 32));
    return bits === 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
  });
  const text =
    address.family === 4
      ? words.flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]).join('.')
      : words.flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)]).join(':');
  return `${text}/${length}`;
}
