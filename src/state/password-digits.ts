/** The digits in which crypt hashes are written: 64 characters, the lowest six bits first. */
const digits = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Writes up to three bytes, the most significant first, as `count` digits. */
export function cryptDigits(bytes: readonly number[], count: number): string {
  let value = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  let text = '';
  for (let at = 0; at < count; at++) {
    text += digits[value & 63] ?? '';
    value >>>= 6;
  }
  return text;
}

/** The bytes of `digest` at these places, three at a time, four digits each. */
export function cryptTriples(digest: Uint8Array, places: readonly (readonly number[])[]): string {
  return places.map((triple) => cryptDigits(bytesAt(digest, triple), 4)).join('');
}

/** The bytes at these places. */
export function bytesAt(digest: Uint8Array, places: readonly number[]): readonly number[] {
  return places.map((place) => digest[place] ?? 0);
}
