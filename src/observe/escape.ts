/** Outside text in a log line: made ASCII, made short, without ever becoming a second line or a terminal command. */

/** Everything but printable ASCII and the line's own newline: DEL, C1 controls, U+2028, direction marks, lone surrogates. */
const notPlain = /[^\n\x20-\x7e]/g;

/** One UTF-16 unit as JSON escapes it. */
function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * Rewrites a JSON text to printable ASCII. JSON itself keeps DEL, the C1 controls (0x9b opens an escape sequence on
 * many terminals) and direction marks as they are; here each becomes `\uXXXX`, which parses back to the original.
 */
export function toAsciiJson(json: string): string {
  // Nearly every line is plain, and to count its bytes is a twentieth of looking at each of its characters.
  if (Buffer.byteLength(json) === json.length && !json.includes('\x7f')) return json;
  return json.replace(notPlain, unicodeEscape);
}

/** How many bytes one UTF-16 unit takes inside an ASCII JSON string (RFC 8259 section 7). */
function escapedBytes(unit: number): number {
  if (unit === 0x22 || unit === 0x5c) return 2;
  if (unit >= 0x20 && unit <= 0x7e) return 1;
  return unit === 0x08 || unit === 0x09 || unit === 0x0a || unit === 0x0c || unit === 0x0d ? 2 : 6;
}

/** Room kept for the marker, whose number has at most seven digits. */
const markerBytes = '...[+1000000]'.length;

/**
 * Cuts a text so that it takes at most `maxBytes` as an ASCII JSON string, and says how many characters went:
 * `abc...[+120]`. A text that fits comes back as it is; a surrogate pair is never split.
 */
export function shorten(text: string, maxBytes: number): string {
  let bytes = 0;
  let cut = 0;
  for (let index = 0; index < text.length; index += 1) {
    bytes += escapedBytes(text.charCodeAt(index));
    if (bytes <= maxBytes - markerBytes) cut = index + 1;
    if (bytes > maxBytes) return cutAt(text, cut);
  }
  return text;
}

/** The first `end` units, less a high surrogate whose other half would be cut off, and the count of what went. */
function cutAt(text: string, end: number): string {
  const last = text.charCodeAt(end - 1);
  const kept = text.slice(0, last >= 0xd800 && last <= 0xdbff ? end - 1 : end);
  return `${kept}...[+${text.length - kept.length}]`;
}

/**
 * Percent-encodes what may not stand in a column of a line whose columns are parted by spaces: space, quotes, controls
 * and every byte beyond ASCII (RFC 3986 section 2.1). `%` itself stays, for a URL comes already encoded.
 */
export function percentEncode(text: string): string {
  return text.toWellFormed().replace(/[^\x21\x23-\x26\x28-\x7e]+/g, (run) => {
    return [...Buffer.from(run)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
  });
}

/** The record of an exchange holds no query; this is the last door, and a key in a log cannot be taken back. */
export function withoutQuery(path: string): string {
  return path.replace(/[?#].*$/s, '');
}

/** Likewise for `user:password@`, which no accepted target has. */
export function withoutUserinfo(target: string): string {
  return target.slice(target.lastIndexOf('@') + 1);
}

/** Free text without what a URL in it may carry: userinfo before an `@`, and queries. */
export function withoutSecrets(text: string): string {
  return text.replace(/(\/\/)[^\s/@]*@/g, '$1').replace(/\?[^\s)]*/g, '');
}
