/**
 * Keeps a long reading small. Nearly all that is made of a line is garbage at once, and left to itself the platform
 * lets a few hundred megabytes of it gather before it looks; a limit on the heap would end a reading that needs more.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** So much is read between two looks: each takes some tens of milliseconds. */
const everyBytes = 48_000_000;

/** Gives what is to be told how far a source has been read. */
export function createGarbageCollection(): (source: object, bytes: number) => void {
  setFlagsFromString('--expose-gc');
  // The space of what is young stays as small as it begins: a larger one only holds more garbage here.
  setFlagsFromString('--semi-space-growth-factor=1');
  const collect = runInNewContext('gc') as () => void;
  let last: object | null = null;
  let lastBytes = 0;
  return (source, bytes) => {
    if (source !== last) [last, lastBytes] = [source, 0];
    if (bytes - lastBytes < everyBytes) return;
    lastBytes = bytes;
    collect();
  };
}
