/** Addresses of clients, read once: most come again. */
import type { Address } from './ip.ts';
import { parseAddress } from './ip.ts';

/** So many are kept; beyond, all are forgotten at once. */
const maxKept = 4096;

/** Gives a reader like `parseAddress` that knows what it read before. */
export function createAddressReader(): (text: string) => Address | null {
  const known = new Map<string, Address>();
  return (text) => {
    const found = known.get(text);
    if (found) return found;
    const address = parseAddress(text);
    if (!address) return null;
    if (known.size >= maxKept) known.clear();
    known.set(text, address);
    return address;
  };
}
