/**
 * SHA-512 crypt (`$6$`) and SHA-256 crypt (`$5$`), as glibc and `openssl passwd` write them. Own code over node:crypto:
 * the library that is kept for it gets passwords of 32, 64 or 128 bytes wrong.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { bytesAt, cryptDigits, cryptTriples } from './password-digits.ts';

type Algorithm = 'sha256' | 'sha512';

const standardRounds = 5000;
const leastRounds = 1000;

/** Whether the password has this hash, which has been found to be of the form. 5,000 rounds cost about 20 ms. */
export function verifyShaCrypt(password: string, stored: string): boolean {
  const [, id, named, salt = '', text = ''] = /^\$([56])\$(?:rounds=(\d+)\$)?([^$]*)\$(.*)$/.exec(stored) ?? [];
  const rounds = Math.max(leastRounds, Number(named ?? standardRounds));
  const computed = shaCrypt(id === '6' ? 'sha512' : 'sha256', Buffer.from(password), Buffer.from(salt), rounds);
  return computed.length === text.length && timingSafeEqual(Buffer.from(computed), Buffer.from(text));
}

/** The digest in crypt's digits. */
function shaCrypt(algorithm: Algorithm, password: Buffer, salt: Buffer, rounds: number): string {
  const digestOf = (...parts: readonly Buffer[]) => hash(algorithm, Buffer.concat(parts), 'buffer');

  const between = digestOf(password, salt, password);
  const mixed = [password, salt, repeatTo(between, password.length)];
  // The bits of the length, lowest first, choose what goes in.
  for (let bits = password.length; bits > 0; bits >>>= 1) mixed.push(bits & 1 ? between : password);
  let digest = digestOf(...mixed);

  const longPassword = repeatTo(digestOf(...Array<Buffer>(password.length).fill(password)), password.length);
  const longSalt = repeatTo(digestOf(...Array<Buffer>(16 + (digest[0] ?? 0)).fill(salt)), salt.length);
  for (let round = 0; round < rounds; round++) {
    const isOdd = round % 2 === 1;
    const parts = [isOdd ? longPassword : digest];
    if (round % 3 !== 0) parts.push(longSalt);
    if (round % 7 !== 0) parts.push(longPassword);
    parts.push(isOdd ? digest : longPassword);
    digest = digestOf(...parts);
  }
  return algorithm === 'sha512' ? writeSha512(digest) : writeSha256(digest);
}

/** A digest over and over until it has so many bytes. */
function repeatTo(digest: Buffer, length: number): Buffer {
  return Buffer.alloc(length, digest);
}

/** The places of the bytes go round from group to group, in the one algorithm left and in the other right. */
function writeSha512(digest: Buffer): string {
  const places = Array.from({ length: 21 }, (_, at) => rotated([at, at + 21, at + 42], at % 3));
  return cryptTriples(digest, places) + cryptDigits(bytesAt(digest, [63]), 2);
}

function writeSha256(digest: Buffer): string {
  const places = Array.from({ length: 10 }, (_, at) => rotated([at, at + 10, at + 20], (2 * at) % 3));
  return cryptTriples(digest, places) + cryptDigits(bytesAt(digest, [31, 30]), 3);
}

function rotated(places: readonly number[], by: number): readonly number[] {
  return [...places.slice(by), ...places.slice(0, by)];
}
