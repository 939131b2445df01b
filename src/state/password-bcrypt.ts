/** bcrypt: what new passwords are stored as, and what most users files hold. Sole user of bcryptjs. */
import { compareSync, hashSync } from 'bcryptjs';

/** bcrypt reads no further: a longer password would be verified by its beginning. */
export const maxBcryptBytes = 72;
/**
 * The exponent of new hashes: a tenth of a second. Every new client connection may cost one verification, so that a
 * higher one would buy less against a stolen file than it would take from clients that sign in.
 */
const cost = 10;

/** Whether the password has this hash. Costs the processor a tenth of a second at cost 10: never on the event loop. */
export function verifyBcrypt(password: string, stored: string): boolean {
  return compareSync(password, stored);
}

/** The hash to store for a password. @throws RangeError when it is longer than bcrypt reads. */
export function hashBcrypt(password: string): string {
  if (Buffer.byteLength(password) > maxBcryptBytes) {
    throw new RangeError(`a password has at most ${maxBcryptBytes} bytes: bcrypt reads no further`);
  }
  // The same algorithm by the name under which Apache's tools know it.
  return hashSync(password, cost).replace('$2b$', () => '$2y$');
}
