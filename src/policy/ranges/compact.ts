/** The project's own text form of ranges: made to be read, compared line by line, and found out when it breaks off. */
import { countPrefixes, eachPrefix } from '../../address/flat-prefixes.ts';
import { formatPrefix } from '../../address/ip.ts';
import type { Result } from '../../errors.ts';
import type { RangesDocument, Tag } from './document.ts';
import { quote } from './quote.ts';
import { createTagCollector } from './tag-collector.ts';

/** The first line of every such text; the number counts up when readers of old would misread the form. */
export const compactTitle = '# lockdown-proxy ranges 1';

/**
 * Writes a document: a heading of `# key: value` lines, a `[Tag] region=R service=S` line above the prefixes of each tag,
 * one a line, and a last line that counts both. Read back, it is the same document.
 */
export function formatCompact(document: RangesDocument): string {
  const tags = [...document.tags.values()];
  return [
    compactTitle,
    `# cloud: ${document.cloud ?? ''}`.trimEnd(),
    `# change number: ${document.changeNumber ?? ''}`.trimEnd(),
    `# date: ${document.date ?? ''}`.trimEnd(),
    ...tags.flatMap((tag) => ['', formatHeader(tag), ...Array.from(eachPrefix(tag.prefixes), formatPrefix)]),
    '',
    endOf(tags),
    '',
  ].join('\n');
}

function formatHeader({ name, region, service }: Tag): string {
  const notes = Object.entries({ region, service }).flatMap(([key, value]) =>
    value !== null && /^[\w.-]+$/.test(value) ? [` ${key}=${value}`] : [],
  );
  return `[${name}]${notes.join('')}`;
}

function endOf(tags: readonly Tag[]): string {
  const prefixes = tags.reduce((sum, tag) => sum + countPrefixes(tag.prefixes), 0);
  return `# end: ${tags.length} tags, ${prefixes} prefixes`;
}

const header = /^\[([^\]]*)\](?: region=([\w.-]+))?(?: service=([\w.-]+))?$/;

/** Reads what `formatCompact` wrote, CRLF too; other comments and blank lines may stand anywhere above the end. */
export function readCompact(text: string): Result<RangesDocument> {
  const lines = text.trimEnd().split('\n');
  const end = lines.pop()?.trim() ?? '';
  const notes = new Map<string, string>();
  const collector = createTagCollector();
  for (const [at, whole] of lines.entries()) {
    const line = whole.trim();
    const note = /^# (cloud|change number|date): (\S+)$/.exec(line);
    if (note && collector.count() === 0) notes.set(note[1] ?? '', note[2] ?? '');
    if (line === '' || line.startsWith('#')) continue;
    const fault = readLine(line, collector);
    if (fault !== null) return { ok: false, message: `Line ${at + 1}: ${fault}` };
  }
  const tags = collector.finish();
  if (!tags.ok) return tags;
  const expected = endOf([...tags.value.values()]);
  if (end !== expected)
    return {
      ok: false,
      message: `Line ${lines.length + 1}: cut short or changed: expected "${expected}", found ${quote(end)}`,
    };
  const number = notes.get('change number') ?? null;
  const date = notes.get('date') ?? null;
  if (number !== null && !/^\d{1,15}$/.test(number))
    return { ok: false, message: `change number: not a number: ${quote(number)}` };
  if (date !== null && !/^\d{4}-\d\d-\d\d$/.test(date))
    return { ok: false, message: `date: not YYYY-MM-DD: ${quote(date)}` };
  return {
    ok: true,
    value: {
      format: 'compact',
      cloud: notes.get('cloud') ?? null,
      changeNumber: number === null ? null : Number(number),
      date,
      tags: tags.value,
    },
  };
}

function readLine(line: string, collector: ReturnType<typeof createTagCollector>): string | null {
  if (!line.startsWith('[')) {
    return collector.count() === 0 ? 'a prefix above the first [Tag] line' : collector.add(line);
  }
  const [matched, name = '', region = null, service = null] = header.exec(line) ?? [];
  return matched === undefined ? `not a [Tag] line: ${quote(line)}` : collector.begin(name, region, service);
}
