/** Apache's MD5 crypt (`$apr1$`): weak by now, read for the users files that exist, never written. */
import { hash, timingSafeEqual } from 'node:crypto';
import { bytesAt, cryptDigits, cryptTriples } from './password-digits.ts';

const rounds = 1000;
/** Which bytes of the digest stand together. */
const places = [0, 1, 2, 3, 4].map((at) => [at, at + 6, at === 4 ? 5 : at + 12]);

/** Whether the password has this hash, which has been found to be of the form. Costs a few milliseconds. */
export function verifyApr1(password: string, stored: string): boolean {
  const [, salt = '', text = ''] = /^\$apr1\$([^$]*)\$(.*)$/.exec(stored) ?? [];
  const computed = apr1(Buffer.from(password), Buffer.from(salt));
  return computed.length === text.length && timingSafeEqual(Buffer.from(computed), Buffer.from(text));
}

function apr1(password: Buffer, salt: Buffer): string {
  const digestOf = (...parts: readonly Buffer[]) => hash('md5', Buffer.concat(parts), 'buffer');
  const between = digestOf(password, salt, password);
  const mixed = [password, Buffer.from('$apr1$'), salt, Buffer.alloc(password.length, between)];
  // A bit that is set adds a NUL, one that is not the first character: so it was written once, so it stays.
  for (let bits = password.length; bits > 0; bits >>>= 1)
    mixed.push(bits & 1 ? Buffer.alloc(1) : password.subarray(0, 1));
  let digest = digestOf(...mixed);
  for (let round = 0; round < rounds; round++) {
    const isOdd = round % 2 === 1;
    const parts = [isOdd ? password : digest];
    if (round % 3 !== 0) parts.push(salt);
    if (round % 7 !== 0) parts.push(password);
    parts.push(isOdd ? digest : password);
    digest = digestOf(...parts);
  }
  return cryptTriples(digest, places) + cryptDigits(bytesAt(digest, [11]), 2);
}
