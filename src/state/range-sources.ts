/** Where the ranges come from: the Download Center page, its stable link, a URL, a file, or the discovery API. */
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { RangesSource } from '../config/ranges-source.ts';
import type { Cloud } from '../config/config.ts';
import { httpGet, one } from './http-get.ts';
import { haveOneOwner, placeOf } from './http-redirect.ts';
import { fetchDiscoveryPages } from './range-discovery.ts';
import type { ParentProxy } from './parent-proxy.ts';
import type { FetchBudget, RangeEndpoints } from './range-endpoints.ts';
import { publishedClouds } from './range-endpoints.ts';

/** What `ranges status` calls a source. */
export type SourceName = 'download page' | 'stable link' | 'discovery' | 'url' | 'file';

/** An answer in full; `texts` has several pages where the discovery API gave them. */
export interface Fetched {
  /** Without its query, which may hold a credential; of a file its path. */
  readonly place: string;
  readonly etag: string | null;
  readonly texts: readonly string[];
  /** `YYYY-MM-DD`, where the name of the file tells it. */
  readonly date: string | null;
}

/** What is held already: a source may then answer that nothing has changed. */
export interface Held {
  readonly place: string | null;
  readonly etag: string | null;
}

export interface RangeSource {
  readonly name: SourceName;
  /** @throws Error that says in a line what failed */
  get(held: Held | null): Promise<Fetched | 'unchanged'>;
}

export interface SourceDeps {
  readonly cloud: Cloud;
  readonly endpoints: RangeEndpoints;
  readonly budget: FetchBudget;
  /** What everything but the machine's metadata is fetched through; null: all goes direct. */
  readonly parent: ParentProxy | null;
}

const maxRedirects = 5;

/** The sources to be asked in turn until one gives ranges that can be taken. */
export function listSources(source: RangesSource, deps: SourceDeps): readonly RangeSource[] {
  const { endpoints } = deps;
  const discovery: RangeSource = {
    name: 'discovery',
    get: async () => {
      const texts = await fetchDiscoveryPages(deps);
      return { place: endpoints.arm, etag: null, texts, date: null };
    },
  };
  switch (source.type) {
    case 'discovery':
      return [discovery];
    case 'url':
      return [{ name: 'url', get: (held) => fetchUrl(source.url, held, deps) }];
    case 'file':
      return [{ name: 'file', get: () => readWhole(source.path, deps.budget) }];
    case 'auto': {
      const { stableLink } = endpoints;
      return [
        { name: 'download page', get: async (held) => fetchUrl(await findNewestLink(deps), held, deps) },
        ...(stableLink === null
          ? []
          : [{ name: 'stable link' as const, get: (held: Held | null) => fetchUrl(stableLink, held, deps) }]),
        discovery,
      ];
    }
    default:
      return source satisfies never;
  }
}

async function fetchUrl(
  url: string,
  held: Held | null,
  { budget, parent }: SourceDeps,
): Promise<Fetched | 'unchanged'> {
  const place = placeOf(url);
  const etag = held?.place === place ? held.etag : null;
  const { status, headers, body } = await httpGet(url, {
    ...budget,
    parent,
    maxRedirects,
    headers: { accept: '*/*', ...(etag === null ? {} : { 'if-none-match': etag }) },
  });
  if (status === 304 && etag !== null) return 'unchanged';
  if (status === 304) throw new Error(`${place} answered 304 although nothing of it is held`);
  if (status !== 200) throw new Error(`${place} answered ${status}`);
  const encoding = one(headers['content-encoding']);
  if (encoding !== null && encoding !== 'identity') throw new Error(`${place} is encoded as ${encoding.slice(0, 20)}`);
  return { place, etag: one(headers['etag']), texts: [body], date: dateIn(place) };
}

/** Reads the page and gives the newest dated link of the cloud; the page repeats each link, and may keep old ones. */
async function findNewestLink({ cloud, endpoints, budget, parent }: SourceDeps): Promise<string> {
  const { status, body, url } = await httpGet(endpoints.downloadPage, { ...budget, parent, maxRedirects });
  if (status !== 200) throw new Error(`the page answered ${status}`);
  // The page carries its data as JSON too, where a slash may be written in other ways.
  const text = body.replaceAll(/\\u002f|\\\//gi, '/');
  const pattern = new RegExp(`https?://[^\\s"'<>\\\\]+/ServiceTags_${publishedClouds[cloud]}_\\d{8}\\.json`, 'g');
  const page = new URL(url);
  const links = [...new Set(text.match(pattern))].filter((link) => {
    const parsed = URL.parse(link);
    // A page without TLS is one on loopback; any other leads to encrypted links alone.
    return parsed !== null && parsed.protocol === page.protocol && haveOneOwner(page.hostname, parsed.hostname);
  });
  const [newest] = links
    .flatMap((link) => (dateIn(link) === null ? [] : [{ link, date: dateIn(link) ?? '' }]))
    .sort((a, b) => (a.date < b.date ? 1 : -1));
  if (newest === undefined) throw new Error(`the page links to no ServiceTags_${publishedClouds[cloud]} file`);
  return newest.link;
}

async function readWhole(path: string, { maxBytes }: FetchBudget): Promise<Fetched> {
  const found = await stat(path);
  // A pipe or a device could be read for ever.
  if (!found.isFile()) throw new Error(`${path} is no file`);
  if (found.size > maxBytes) throw new Error(`${path} has more than ${maxBytes} bytes`);
  return { place: path, etag: null, texts: [await readFile(path, 'utf8')], date: dateIn(basename(path)) };
}

/** The date in a published file's name, if it is one. */
function dateIn(name: string): string | null {
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)\.\w+$/.exec(name) ?? [];
  const date = `${year}-${month}-${day}`;
  return Number.isNaN(Date.parse(date)) ? null : date;
}
