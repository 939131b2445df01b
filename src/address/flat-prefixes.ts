/** Prefixes by the ten thousand: words in typed arrays, no object each, ready to be moved between threads. */
import type { Address, Prefix } from './ip.ts';
import { addressFromWords, parsePrefix } from './ip.ts';
import { readGroups, readQuad } from './prefix-text.ts';

export interface FlatPrefixes {
  /** `[network, length]` for each prefix. */
  readonly v4: Uint32Array;
  /** `[word 0, word 1, word 2, word 3, length]` for each prefix, most significant word first. */
  readonly v6: Uint32Array;
}

/** Collects prefixes from text; one writer serves many sets in turn and so grows its memory once. */
export interface FlatWriter {
  /** Takes one prefix, which must have its length; gives what is wrong with it in words for the sender, or null. */
  add(text: string): string | null;
  /** Takes a prefix that was read before. */
  addPrefix(prefix: Prefix): void;
  /** What was added since the last `take`, in the order of adding within each family. */
  take(): FlatPrefixes;
}

/** How many prefixes there are, doubles counted. */
export function countPrefixes(flat: FlatPrefixes): number {
  return flat.v4.length / 2 + flat.v6.length / 5;
}

/** Each prefix as an object, IPv4 first; for printing and for the few, not for the whole of a feed. */
export function* eachPrefix(flat: FlatPrefixes): Generator<Prefix, void> {
  for (let at = 0; at < flat.v4.length; at += 2) {
    yield { address: addressFromWords([flat.v4[at] ?? 0]), length: flat.v4[at + 1] ?? 0 };
  }
  for (let at = 0; at < flat.v6.length; at += 5) {
    yield { address: addressFromWords([...flat.v6.subarray(at, at + 4)]), length: flat.v6[at + 4] ?? 0 };
  }
}

/** The words of prefixes that are objects, in their order within each family. */
export function flatten(prefixes: Iterable<Prefix>): FlatPrefixes {
  const writer = createFlatWriter();
  for (const prefix of prefixes) writer.addPrefix(prefix);
  return writer.take();
}

/** Whether the network whose words begin at `rows[at]` holds the address whose words begin at `words[from]`. */
export function rowHolds(
  rows: Uint32Array,
  at: number,
  length: number,
  words: ArrayLike<number>,
  from: number = 0,
): boolean {
  for (let word = 0, bits = length; bits > 0; word++, bits -= 32) {
    const differing = (rows[at + word] ?? 0) ^ (words[from + word] ?? 0);
    if ((bits >= 32 ? differing : differing >>> (32 - bits)) !== 0) return false;
  }
  return true;
}

/** Every prefix that holds the address, found by going through them all, so that no wider one hides a narrower. */
export function prefixesHolding(flat: FlatPrefixes, { family, words }: Address): readonly Prefix[] {
  const [rows, width] = family === 4 ? [flat.v4, 2] : [flat.v6, 5];
  const found: Prefix[] = [];
  for (let at = 0; at < rows.length; at += width) {
    const length = rows[at + width - 1] ?? 0;
    if (!rowHolds(rows, at, length, words)) continue;
    found.push({ address: addressFromWords([...rows.subarray(at, at + width - 1)]), length });
  }
  return found;
}

/**
 * Makes a writer. The published spellings, dotted quads and hexadecimal groups, go straight from characters to words;
 * all else goes to `parsePrefix`, which reads the rare spellings and words the faults.
 */
export function createFlatWriter(): FlatWriter {
  let v4 = new Uint32Array(1024);
  let v6 = new Uint32Array(1024);
  let v4End = 0;
  let v6End = 0;
  const groups = new Uint16Array(8);

  const push4 = (network: number, length: number): void => {
    if (v4End + 2 > v4.length) v4 = grow(v4);
    v4[v4End++] = network;
    v4[v4End++] = length;
  };
  const push6 = (word: (at: number) => number, length: number): void => {
    if (v6End + 5 > v6.length) v6 = grow(v6);
    for (let at = 0; at < 4; at++) v6[v6End++] = word(at);
    v6[v6End++] = length;
  };
  const groupsWord = (at: number): number => (((groups[at * 2] ?? 0) << 16) | (groups[at * 2 + 1] ?? 0)) >>> 0;
  const addPrefix = ({ address, length }: Prefix): void => {
    if (address.family === 4) push4(address.words[0] ?? 0, length);
    else push6((at) => address.words[at] ?? 0, length);
  };
  return {
    addPrefix,
    add(text) {
      const quad = readQuad(text);
      if (quad >= 0) {
        push4(Math.floor(quad / 64), quad % 64);
        return null;
      }
      const length = readGroups(text, groups);
      if (length >= 0) {
        push6(groupsWord, length);
        return null;
      }
      const parsed = parsePrefix(text);
      if (!parsed.ok) return parsed.message;
      if (!text.includes('/')) return `No length, write ${text}/${text.includes(':') ? 128 : 32}`;
      addPrefix(parsed.value);
      return null;
    },
    take() {
      const taken = { v4: v4.slice(0, v4End), v6: v6.slice(0, v6End) };
      v4End = 0;
      v6End = 0;
      return taken;
    },
  };
}

function grow(full: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const wider = new Uint32Array(full.length * 2);
  wider.set(full);
  return wider;
}
