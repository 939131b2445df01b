/** `ranges diff`: what changed between two files of ranges, like a changelog. */
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';
import { readText } from '../config/lists.ts';
import type { Result } from '../errors.ts';
import type { RangesDiff } from '../policy/ranges/diff.ts';
import { diffRanges } from '../policy/ranges/diff.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import { maxDocumentLength, parseRangesDocument } from '../policy/ranges/parse.ts';

export interface RangesDiffOptions {
  /** Files in any of the formats, the same or different ones. */
  readonly old: string;
  readonly next: string;
  readonly json: boolean;
  readonly out: (text: string) => void;
  /** Where a refusal goes; standard error unless given. */
  readonly err?: (text: string) => void;
}

/** Prints tags added, tags removed, and the prefixes of those that changed; gives 1 where a file cannot be read. */
export function runRangesDiff(options: RangesDiffOptions): number {
  const { json, out, err = (text) => void process.stderr.write(text) } = options;
  const [old, next] = [read(options.old), read(options.next)];
  for (const result of [old, next]) if (!result.ok) err(`lockdown-proxy: ${result.message}\n`);
  if (!old.ok || !next.ok) return 1;
  const diff = diffRanges(old.value, next.value);
  const headings = { old: headingOf(old.value), new: headingOf(next.value) };
  out(json ? `${JSON.stringify({ ...headings, ...diff })}\n` : format(describe(old.value), describe(next.value), diff));
  return 0;
}

function read(path: string): Result<RangesDocument> {
  const text = readText(path, (file) => {
    if (statSync(file).size > maxDocumentLength) throw new Error('larger than 64 MB');
    return readFileSync(file, 'utf8');
  });
  if (!text.ok) return text;
  const [, ...date] = /_(\d{4})(\d\d)(\d\d)\.\w+$/.exec(basename(path)) ?? [];
  const parsed = parseRangesDocument(text.value, date.length === 3 ? { date: date.join('-') } : {});
  return parsed.ok ? parsed : { ok: false, message: `${path}: ${parsed.message}` };
}

function headingOf({ cloud, changeNumber, date, tags }: RangesDocument) {
  return { cloud, changeNumber, date, tags: tags.size };
}

function describe({ cloud, changeNumber, date, tags }: RangesDocument): string {
  const parts = [cloud, date, changeNumber === null ? null : `change number ${changeNumber}`, `${tags.size} tags`];
  return parts.filter((part) => part !== null).join(', ');
}

function format(old: string, next: string, { added, removed, changed }: RangesDiff): string {
  const names = (entries: RangesDiff['added'], sign: string) =>
    entries.map(({ tag, prefixes }) => `  ${sign} ${tag} (${prefixes.length} prefixes)`);
  return [
    `Old: ${old}`,
    `New: ${next}`,
    ...section('Tags added', added.length, names(added, '+')),
    ...section('Tags removed', removed.length, names(removed, '-')),
    ...section(
      'Tags changed',
      changed.length,
      changed.flatMap(({ tag, added: plus, removed: minus }) => [
        `  ${tag}: ${plus.length} added, ${minus.length} removed`,
        ...plus.map((prefix) => `    + ${prefix}`),
        ...minus.map((prefix) => `    - ${prefix}`),
      ]),
    ),
    ...(added.length + removed.length + changed.length === 0 ? ['', 'No tag and no prefix changed.'] : []),
    '',
  ].join('\n');
}

function section(title: string, count: number, lines: readonly string[]): readonly string[] {
  return count === 0 ? [] : ['', `${title}: ${count}`, ...lines];
}
