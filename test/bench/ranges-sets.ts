/**
 * What ranges cost: `node test/bench/ranges-sets.ts [FILE]` prints how long a whole published file takes from text to
 * sets, what it keeps in memory, and what a lookup takes in sets of growing size. Without a file, and without the
 * published one, a document of the same size is made up.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import type { FlatPrefixes } from '../../src/address/flat-prefixes.ts';
import { countPrefixes } from '../../src/address/flat-prefixes.ts';
import type { Address } from '../../src/address/ip.ts';
import { addressFromWords } from '../../src/address/ip.ts';
import type { PrefixSet } from '../../src/address/prefix-set.ts';
import { createFlatPrefixSet } from '../../src/address/prefix-set.ts';
import type { RangesDocument } from '../../src/policy/ranges/document.ts';
import { parseRangesDocument } from '../../src/policy/ranges/parse.ts';

const published = resolve(import.meta.dirname, '../../../shared/data/service-tags/ServiceTags_Public_20251028.json');
/** Where they stand, so that a worse figure is seen as such. */
const bounds = { loadMs: 300, heapMb: 40, lookupNs: 1000 };

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** Memory in use, in MB: objects, and the buffers outside the heap. */
function memory(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}

interface Loaded {
  readonly document: RangesDocument;
  readonly sets: readonly PrefixSet[];
}

function load(text: string): Loaded {
  const parsed = parseRangesDocument(text);
  if (!parsed.ok) throw new Error(parsed.message);
  const { value: document } = parsed;
  return { document, sets: Array.from(document.tags.values(), ({ prefixes }) => createFlatPrefixSet(prefixes)) };
}

/** So many /26 networks in steps, 3 of 4 in IPv4, as the published file has them. */
function networks(count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => {
    if (at % 4 === 3) return `2603:${(0x1000 + (at >> 12)).toString(16)}:${(at & 0xfff).toString(16)}::/48`;
    const network = 0x14000000 + at * 128;
    return `${network >>> 24}.${(network >>> 16) & 255}.${(network >>> 8) & 255}.${network & 192}/26`;
  });
}

function makeUp(): string {
  const all = networks(93_000);
  const values = Array.from({ length: 3000 }, (_, at) => ({
    name: `Service${at}`,
    properties: { region: '', systemService: '', addressPrefixes: all.slice(at * 31, at * 31 + 31) },
  }));
  return JSON.stringify({ changeNumber: 1, cloud: 'Public', values }, null, 2);
}

/** Addresses of which half lie in the set; the same every time. */
function questions(flat: FlatPrefixes, count: number): readonly Address[] {
  let seed = 42;
  const next = (): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0);
  return Array.from({ length: count }, (_, at) => {
    const row = next() % (flat.v4.length / 2);
    return addressFromWords([at % 2 === 0 ? (flat.v4[row * 2] ?? 0) : next()]);
  });
}

/** The median over batches, in nanoseconds a lookup: one lookup alone is shorter than the clock's step. */
function timeLookups(flat: FlatPrefixes): number {
  const set = createFlatPrefixSet(flat);
  const asked = questions(flat, 1000);
  let held = 0;
  const batches = Array.from({ length: 500 }, () => {
    const start = process.hrtime.bigint();
    for (const address of asked) if (set.has(address)) held++;
    return Number(process.hrtime.bigint() - start) / asked.length;
  });
  if (held === 0) throw new Error('nothing was found');
  return median(batches.slice(100));
}

const [, , given] = process.argv;
const file = given ?? (existsSync(published) ? published : null);
const text = file === null ? makeUp() : readFileSync(file, 'utf8');
say(file === null ? 'a made-up document, no published one is at hand' : file);
collect();
const before = memory();
const firstStart = performance.now();
let loaded: Loaded | null = load(text);
const firstMs = performance.now() - firstStart;
const peak = memory() - before;
collect();
const kept = memory() - before;
const { document, sets } = loaded;
const prefixes = sets.reduce((sum, set) => sum + set.size, 0);
say(`${document.tags.size} tags, ${prefixes} prefixes, ${(text.length / 1e6).toFixed(1)} million characters`);

const azureCloud = document.tags.get('azurecloud')?.prefixes ?? null;
loaded = null;
const cpuMs: number[] = [];
const times = Array.from({ length: 9 }, () => {
  const start = performance.now();
  const cpu = process.cpuUsage();
  load(text);
  const { user, system } = process.cpuUsage(cpu);
  cpuMs.push((user + system) / 1000);
  return performance.now() - start;
});
say(
  `load, text to sets: first ${firstMs.toFixed(0)} ms, median ${median(times).toFixed(0)} ms (bound ${bounds.loadMs})`,
);
// On a machine that others keep busy the two differ; this one is the work itself, the collector's threads with it.
say(`load, processor time: median ${median(cpuMs).toFixed(0)} ms`);
say(`memory: ${kept.toFixed(1)} MB kept, ${peak.toFixed(1)} MB before collection (bound ${bounds.heapMb})`);
for (const count of [1, 100, 13_000, 100_000]) {
  const made = parseRangesDocument(`${networks(count).join('\n')}\n`);
  if (!made.ok) throw new Error(made.message);
  const flat = made.value.tags.get('ranges')?.prefixes;
  if (!flat) throw new Error('no tag');
  say(`lookup in ${count} prefixes: ${timeLookups(flat).toFixed(0)} ns (bound ${bounds.lookupNs})`);
}
if (azureCloud) {
  say(
    `lookup in AzureCloud, ${countPrefixes(azureCloud)} prefixes: ${timeLookups(azureCloud).toFixed(0)} ns (bound ${bounds.lookupNs})`,
  );
}
