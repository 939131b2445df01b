/** What clients write again and again, their addresses and the targets of their CONNECTs, read once. */
import { createBoundedTable } from '../state/throttle-table.ts';

/** So many texts are known at once. */
const maxKnown = 4096;

/** Gives a reader like `read` that knows what it read before; what could not be read is not kept. */
export function rememberReadings<T>(read: (text: string) => T, isRead: (value: T) => boolean): (text: string) => T {
  const known = createBoundedTable<T>(maxKnown);
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const value = read(text);
    if (isRead(value)) known.set(text, value);
    return value;
  };
}
