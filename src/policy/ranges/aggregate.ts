/** The fewest prefixes that hold the same addresses, for places that count prefixes, such as rules of a firewall. */
import { eachPrefix } from '../../address/flat-prefixes.ts';
import type { FlatPrefixes } from '../../address/flat-prefixes.ts';
import type { Prefix } from '../../address/ip.ts';
import { addressFromWords } from '../../address/ip.ts';

/** A network as one number, which makes halves and neighbours a matter of one bit. */
interface Network {
  readonly start: bigint;
  readonly length: number;
}

/** Unites sets: what lies inside another is dropped, halves of one network become it. IPv4 first, then ascending. */
export function aggregatePrefixes(sets: Iterable<FlatPrefixes>): readonly Prefix[] {
  const prefixes = Array.from(sets, (flat) => [...eachPrefix(flat)]).flat();
  return [
    ...unite(prefixes, 4, 32).map(({ start, length }) => toPrefix(start, length, 1)),
    ...unite(prefixes, 6, 128).map(({ start, length }) => toPrefix(start, length, 4)),
  ];
}

/** In ascending order, the wider first, a network can only lie in the last one kept or be its other half. */
function unite(prefixes: readonly Prefix[], family: 4 | 6, bits: number): readonly Network[] {
  const ordered = prefixes
    .filter(({ address }) => address.family === family)
    .map(({ address, length }) => ({ start: toNumber(address.words), length }))
    .sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.length - b.length));
  const kept: Network[] = [];
  for (const network of ordered) {
    let last = kept.at(-1);
    if (last && network.start >> BigInt(bits - last.length) === last.start >> BigInt(bits - last.length)) continue;
    let next: Network = network;
    while (last && last.length === next.length && (last.start ^ next.start) === 1n << BigInt(bits - next.length)) {
      next = { start: last.start, length: last.length - 1 };
      kept.pop();
      last = kept.at(-1);
    }
    kept.push(next);
  }
  return kept;
}

function toNumber(words: readonly number[]): bigint {
  return words.reduce((number, word) => (number << 32n) | BigInt(word), 0n);
}

function toPrefix(start: bigint, length: number, words: number): Prefix {
  const parts = Array.from({ length: words }, (_, at) =>
    Number((start >> BigInt(32 * (words - 1 - at))) & 0xffffffffn),
  );
  return { address: addressFromWords(parts), length };
}
