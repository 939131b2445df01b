/** A text becomes a document of ranges: the format is told by the content, never by a name or a content type. */
import type { Result } from '../../errors.ts';
import { readCidrText } from './cidr-text.ts';
import { compactTitle, readCompact } from './compact.ts';
import { isDiscovery, joinPages, readDiscoveryPage } from './discovery.ts';
import type { RangesDocument } from './document.ts';
import { parseJsonObject } from './json-text.ts';
import { readLegacyXml } from './legacy-xml.ts';
import { quote } from './quote.ts';
import { readServiceTags } from './service-tags.ts';

/** The longest text that is looked at, in characters; the largest published file has 4.2 million. */
export const maxDocumentLength = 64 * 1024 * 1024;

/**
 * Reads Service Tags JSON, a whole Discovery answer, the legacy XML, plain CIDR text or the compact form. The first
 * fault refuses the whole: ranges with holes would refuse what they should allow, and nobody would know why. `hint.date`
 * (`YYYY-MM-DD`, from the name of the file) counts where the text has no date of its own.
 */
export function parseRangesDocument(text: string, hint: { readonly date?: string } = {}): Result<RangesDocument> {
  const result = readByContent(text);
  if (!result.ok || result.value.date !== null || hint.date === undefined) return result;
  return { ok: true, value: { ...result.value, date: hint.date } };
}

function readByContent(given: string): Result<RangesDocument> {
  if (given.length > maxDocumentLength)
    return refuse(`Too large: ${given.length} characters, at most ${maxDocumentLength} are read`);
  const text = given.startsWith('\ufeff') ? given.slice(1) : given;
  const start = text.slice(0, 4096).trimStart();
  if (start === '' && text.trim() === '') return refuse('Empty: no ranges in it');
  if (start.startsWith('{')) return readJson(text);
  if (start.startsWith('<'))
    return isHtml(start) ? refuse(`Line 1: an HTML page, not ranges${titleOf(start)}`) : readLegacyXml(text);
  if (text.startsWith(compactTitle)) return readCompact(text);
  if (/^[#\d:a-f]/i.test(start)) return readCidrText(text);
  return refuse(`Line 1: neither JSON, XML nor prefixes: ${quote(start, 30)}`);
}

function readJson(text: string): Result<RangesDocument> {
  const json = parseJsonObject(text);
  if (!json.ok) return json;
  if (!isDiscovery(json.value)) return readServiceTags(json.value);
  const page = readDiscoveryPage(json.value);
  return page.ok ? joinPages([page.value]) : page;
}

function isHtml(start: string): boolean {
  return /^(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->)[^])*-->\s*)*<(?:!doctype\s+html|html|head|body|script|title|meta)\b/i.test(
    start,
  );
}

/** A page's title often says whose it is: a sign-in, a proxy's refusal. */
function titleOf(start: string): string {
  const title = /<title[^>]*>([^<]*)/i.exec(start)?.[1]?.trim();
  return title ? `; its title is ${quote(title)}` : '';
}

function refuse(message: string): Result<never> {
  return { ok: false, message };
}
