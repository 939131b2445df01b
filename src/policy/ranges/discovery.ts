/** Answers of the Service Tag Discovery API: the entries of Service Tags JSON in pages, each naming the next. */
import type { Result } from '../../errors.ts';
import type { RangesDocument } from './document.ts';
import type { JsonObject } from './json-text.ts';
import { describe, parseJsonObject } from './json-text.ts';
import type { Heading } from './service-tags.ts';
import { collectEntries, readHeading } from './service-tags.ts';
import { createTagCollector } from './tag-collector.ts';

/** One page, its entries not read yet. */
export interface DiscoveryPage extends Heading {
  readonly values: unknown;
  /** Where the next page is; null on the last one. Outside text: it is fetched only after its own checks. */
  readonly nextLink: string | null;
}

/** Whether parsed JSON is an answer of the API: only there is the change number a string, and only there are types and links. */
export function isDiscovery(json: JsonObject): boolean {
  return typeof json['changeNumber'] === 'string' || 'nextLink' in json || 'type' in json;
}

/** Reads one page of parsed JSON. */
export function readDiscoveryPage(json: JsonObject): Result<DiscoveryPage> {
  const heading = readHeading(json);
  if (!heading.ok) return heading;
  const { values, nextLink = null } = json;
  if (nextLink !== null && typeof nextLink !== 'string')
    return { ok: false, message: `nextLink: expected a link, found ${describe(nextLink)}` };
  return { ok: true, value: { ...heading.value, values, nextLink: nextLink === '' ? null : nextLink } };
}

/** Makes one document of the texts of all pages, in their order. */
export function mergeDiscoveryPages(texts: readonly string[]): Result<RangesDocument> {
  const pages: DiscoveryPage[] = [];
  for (const [at, text] of texts.entries()) {
    const json = parseJsonObject(text);
    const page = json.ok ? readDiscoveryPage(json.value) : json;
    if (!page.ok) return { ok: false, message: `Page ${at + 1}: ${page.message}` };
    pages.push(page.value);
  }
  return joinPages(pages);
}

/** The same of pages that were read. Pages of different publications are refused: ask again. */
export function joinPages(pages: readonly DiscoveryPage[]): Result<RangesDocument> {
  const [first] = pages;
  if (!first) return { ok: false, message: 'No page' };
  const collector = createTagCollector();
  for (const [at, page] of pages.entries()) {
    const fault = faultOfPlace(page, at, pages) ?? collectEntries(page.values, collector);
    if (fault !== null) return { ok: false, message: pages.length === 1 ? fault : `Page ${at + 1}: ${fault}` };
  }
  const tags = collector.finish();
  if (!tags.ok) return tags;
  const { cloud, changeNumber } = first;
  return { ok: true, value: { format: 'discovery', cloud, changeNumber, date: null, tags: tags.value } };
}

/** A page that is not of the same publication as the first, or the last one where it should not be. */
function faultOfPlace(page: DiscoveryPage, at: number, pages: readonly DiscoveryPage[]): string | null {
  if (page.cloud !== pages[0]?.cloud || page.changeNumber !== pages[0]?.changeNumber)
    return 'cloud and changeNumber are not those of page 1; it changed meanwhile';
  const isLast = at === pages.length - 1;
  if (isLast && page.nextLink !== null) return 'nextLink: more pages follow, and they are missing';
  return !isLast && page.nextLink === null ? 'nextLink: the last page, yet more follow' : null;
}
