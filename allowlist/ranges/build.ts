/**
 * Writes the embedded ranges from published Service Tags files: `node allowlist/ranges/build.ts FILE..`. Of each cloud
 * the newest file given is taken; a cloud without a file keeps the ranges it has.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';

import { countPrefixes } from '../../src/address/flat-prefixes.ts';
import { compactTitle, formatCompact } from '../../src/policy/ranges/compact.ts';
import type { RangesDocument } from '../../src/policy/ranges/document.ts';
import { cloudNames, guardRanges } from '../../src/policy/ranges/guard.ts';
import { parseRangesDocument } from '../../src/policy/ranges/parse.ts';
import { backupTags, wantedNames } from '../../src/policy/ranges/wanted.ts';

interface Published {
  readonly file: string;
  readonly date: string;
  readonly document: RangesDocument;
}

const clouds = ['public', 'usgov', 'china'] as const;

function read(path: string): Published {
  const file = basename(path);
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)\.json$/.exec(file) ?? [];
  if (year === undefined) throw new Error(`${file}: expected a name like ServiceTags_Public_20250101.json`);
  const date = `${year}-${month}-${day}`;
  const parsed = parseRangesDocument(readFileSync(path, 'utf8'), { date });
  if (!parsed.ok) throw new Error(`${file}: ${parsed.message}`);
  return { file, date, document: parsed.value };
}

function write(cloud: (typeof clouds)[number], { file, document }: Published): void {
  const options = { wantedTags: backupTags, cloud, maxShrinkPercent: 0, force: false };
  const guarded = guardRanges(document, null, options);
  if (!guarded.ok) throw new Error(`${file}: ${guarded.message}`);
  const names = wantedNames(backupTags, document);
  const tags = new Map([...guarded.document.tags].filter(([key]) => names.has(key)));
  const origin = `# Prefixes published in ${file}, of the tags that a backup needs; written by build.ts.`;
  const text = formatCompact({ ...guarded.document, tags }).replace(compactTitle, `${compactTitle}\n${origin}`);
  writeFileSync(join(import.meta.dirname, `${cloud}.txt`), text);
  const prefixes = [...tags.values()].reduce((sum, tag) => sum + countPrefixes(tag.prefixes), 0);
  process.stdout.write(`${cloud}.txt: ${tags.size} tags, ${prefixes} prefixes from ${file}\n`);
}

const published = process.argv.slice(2).map(read);
for (const cloud of clouds) {
  const [newest] = published
    .filter(({ document }) => document.cloud === cloudNames[cloud])
    .sort((a, b) => b.date.localeCompare(a.date));
  if (newest) write(cloud, newest);
}
