/** Addresses of clients, read once: most come again. */
import type { Address } from '../address/ip.ts';
import { parseAddress } from '../address/ip.ts';
import { createBoundedTable } from '../state/throttle-table.ts';

/** So many are known at once. */
const maxKnown = 4096;

/** Gives a reader like `parseAddress` that knows what it read before. */
export function createAddressReader(): (text: string) => Address | null {
  const known = createBoundedTable<Address>(maxKnown);
  return (text) => {
    const found = known.get(text);
    if (found) return found;
    const address = parseAddress(text);
    if (address) known.set(text, address);
    return address;
  };
}
