/** The Service Tags JSON of the Download Center, and the entries that it shares with the Service Tag Discovery API. */
import type { Result } from '../../errors.ts';
import type { RangesDocument } from './document.ts';
import type { JsonObject } from './json-text.ts';
import { describe, isObject } from './json-text.ts';
import { quote } from './quote.ts';
import type { TagCollector } from './tag-collector.ts';
import { createTagCollector } from './tag-collector.ts';

/** What stands above the entries, in either JSON format. */
export interface Heading {
  readonly cloud: string | null;
  readonly changeNumber: number | null;
}

/**
 * Reads a parsed Service Tags file. Fields that no decision needs (`platform`, `regionId`, `networkFeatures`) may be
 * absent, null or anything; files before mid 2020 lack the last two.
 */
export function readServiceTags(json: JsonObject): Result<RangesDocument> {
  const heading = readHeading(json);
  if (!heading.ok) return heading;
  const collector = createTagCollector();
  const fault = collectEntries(json['values'], collector);
  if (fault !== null) return { ok: false, message: fault };
  const tags = collector.finish();
  if (!tags.ok) return tags;
  return { ok: true, value: { format: 'service-tags', ...heading.value, date: null, tags: tags.value } };
}

/** Reads `cloud` and `changeNumber`; the number is a string of digits in Discovery answers. */
export function readHeading(json: JsonObject): Result<Heading> {
  const { cloud = null, changeNumber = null } = json;
  if (cloud !== null && (typeof cloud !== 'string' || !/^\w{1,40}$/.test(cloud)))
    return { ok: false, message: `cloud: expected a name, found ${describe(cloud)}` };
  const number = typeof changeNumber === 'string' && /^\d+$/.test(changeNumber) ? Number(changeNumber) : changeNumber;
  if (number !== null && (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0))
    return { ok: false, message: `changeNumber: expected a whole number, found ${describe(changeNumber)}` };
  return { ok: true, value: { cloud, changeNumber: number } };
}

/** Adds every entry of `values` to the collector; gives the first fault with its place, or null. */
export function collectEntries(values: unknown, collector: TagCollector): string | null {
  if (!Array.isArray(values)) return `values: expected a list of tags, found ${describe(values)}`;
  for (const [at, entry] of values.entries()) {
    const fault = collectEntry(entry, collector);
    if (fault !== null) return `values[${at}]${fault}`;
  }
  return null;
}

function collectEntry(entry: unknown, collector: TagCollector): string | null {
  if (!isObject(entry)) return `: expected a tag, found ${describe(entry)}`;
  const { name, properties } = entry;
  if (typeof name !== 'string') return `.name: expected a text, found ${describe(name)}`;
  if (!isObject(properties)) return ` ${quote(name)}.properties: expected an object, found ${describe(properties)}`;
  const { region = null, systemService = null, addressPrefixes } = properties;
  for (const [key, value] of Object.entries({ region, systemService })) {
    if (value !== null && typeof value !== 'string')
      return ` ${quote(name)}.${key}: expected a text, found ${describe(value)}`;
  }
  const fault = collector.begin(name, textOf(region), textOf(systemService));
  if (fault !== null) return `.name: ${fault}`;
  // A tag whose list is null has no prefixes: its rules match nothing, and the others are still good.
  if (addressPrefixes === null) return null;
  if (!Array.isArray(addressPrefixes))
    return ` ${quote(name)}.addressPrefixes: expected a list, found ${describe(addressPrefixes)}`;
  return collectPrefixes(name, addressPrefixes, collector);
}

function collectPrefixes(name: string, prefixes: readonly unknown[], collector: TagCollector): string | null {
  for (let at = 0; at < prefixes.length; at++) {
    const prefix = prefixes[at];
    const fault = typeof prefix === 'string' ? collector.add(prefix) : `expected a text, found ${describe(prefix)}`;
    if (fault !== null) return ` ${quote(name)}.addressPrefixes[${at}]: ${fault}`;
  }
  return null;
}

/** Published files write an absent region as an empty text. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
