/** What would admit a client that no entry of `networks` holds. */
import type { Address } from '../address/ip.ts';
import { formatPrefix, hostPrefix } from '../address/ip.ts';
import { classifyAddress } from '../address/special-purpose.ts';

/** The `networks` entry of a private client, which was most likely meant to be admitted; null for any other. */
export function admittingEntry(client: Address): string | null {
  const isPrivate = ['private', 'loopback'].includes(classifyAddress(client));
  return isPrivate ? `networks: ["${formatPrefix(hostPrefix(client))}"] admits it` : null;
}
