/** Prefixes in their published spellings, read from characters to numbers without an object in between. */

const colon = 58;
const dot = 46;
const slash = 47;

/** `network * 64 + length` of four decimal parts, a slash and a length, no host bit set; -1 for any other text. */
export function readQuad(text: string): number {
  let network = 0;
  let part = 0;
  let value = 0;
  let digits = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isDigit(code)) {
      if (digits > 0 && value === 0) return -1;
      value = value * 10 + code - 48;
      digits++;
      if (value > 255) return -1;
    } else {
      if (digits === 0 || part === 4 || code !== (part === 3 ? slash : dot)) return -1;
      network = network * 256 + value;
      part++;
      value = 0;
      digits = 0;
    }
  }
  if (part !== 4 || digits === 0 || value > 32 || network % 2 ** (32 - value) !== 0) return -1;
  return network * 64 + value;
}

/**
 * The length of hexadecimal groups with at most one `::` (RFC 4291 section 2.2), no host bit set, the groups left in
 * `into`; -1 for any other text, for IPv4-mapped networks too, which fold to IPv4 elsewhere.
 */
export function readGroups(text: string, into: Uint16Array): number {
  const end = text.indexOf('/');
  let at = text.startsWith('::') ? 2 : 0;
  let gap = at === 2 ? 0 : -1;
  let count = 0;
  while (at < end) {
    const start = at;
    let value = 0;
    for (let digit; at < end && (digit = hexDigit(text.charCodeAt(at))) >= 0; at++) value = value * 16 + digit;
    if (at === start || at - start > 4 || count === 8) return -1;
    into[count++] = value;
    if (at === end) break;
    if (text.charCodeAt(at++) !== colon) return -1;
    if (text.charCodeAt(at) === colon) {
      if (gap >= 0) return -1;
      gap = count;
      at++;
    } else if (at === end) return -1;
  }
  if (gap < 0 ? count !== 8 : count > 7) return -1;
  if (gap >= 0) {
    into.copyWithin(8 - count + gap, gap, count);
    into.fill(0, gap, 8 - count + gap);
  }
  const length = readLength(text, end + 1);
  const isMapped = into[5] === 0xffff && into.subarray(0, 5).every((group) => group === 0);
  return isMapped || !isNetwork(into, length) ? -1 : length;
}

/** A number from 0 to 128 from there to the end, without leading zeros; -1 for any other text. */
function readLength(text: string, from: number): number {
  if (from === 0 || from === text.length || (text.charCodeAt(from) === 48 && text.length > from + 1)) return -1;
  let value = 0;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    value = value * 10 + code - 48;
    if (!isDigit(code) || value > 128) return -1;
  }
  return value;
}

/** Whether the length is one and every bit behind it is zero. */
function isNetwork(groups: Uint16Array, length: number): boolean {
  if (length < 0) return false;
  for (let at = length >> 4, kept = length & 15; at < 8; at++, kept = 0) {
    if (((groups[at] ?? 0) & (0xffff >> kept)) !== 0) return false;
  }
  return true;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** The value of a hexadecimal digit of either case, or -1. */
function hexDigit(code: number): number {
  if (isDigit(code)) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
