/** Plain text with one prefix a line, for ranges that somebody keeps by hand or a script writes. */
import type { Result } from '../../errors.ts';
import type { RangesDocument } from './document.ts';
import { createTagCollector } from './tag-collector.ts';

/** The tag of prefixes above the first `# tag: NAME` line, so `tag:Ranges` in a rule. */
const defaultTag = 'Ranges';

/** Reads the text: `#` comments, blank lines, and `# tag: NAME` above the prefixes of that tag. */
export function readCidrText(text: string): Result<RangesDocument> {
  const collector = createTagCollector();
  const lines = text.split('\n');
  for (const [at, whole] of lines.entries()) {
    const [prefix = ''] = whole.split('#', 1);
    const header = /^\s*#\s*tag:(.*)$/i.exec(whole);
    const line = prefix.trim();
    let fault: string | null = null;
    if (header) fault = collector.begin((header[1] ?? '').trim(), null, null);
    else if (line !== '') {
      if (collector.count() === 0) fault = collector.begin(defaultTag, null, null);
      fault ??= collector.add(line);
    }
    if (fault !== null) return { ok: false, message: `Line ${at + 1}: ${fault}` };
  }
  if (lines.at(-1) !== '')
    return { ok: false, message: `Line ${lines.length}: cut short, the last line has no newline` };
  const tags = collector.finish();
  if (!tags.ok) return tags;
  return { ok: true, value: { format: 'cidr-text', cloud: null, changeNumber: null, date: null, tags: tags.value } };
}
