/** Verifies a password against whatever form of hash it is stored in. Costs the processor up to a tenth of a second or more. */
import { verifyApr1 } from './password-apr1.ts';
import { verifyBcrypt } from './password-bcrypt.ts';
import { verifyShaCrypt } from './password-sha.ts';

/** Whether the password is the one that was stored; the forms are those that `policy/users-hash.ts` lets in. */
export function verifyStored(password: string, stored: string): boolean {
  if (stored.startsWith('$2')) return verifyBcrypt(password, stored);
  if (stored.startsWith('$apr1$')) return verifyApr1(password, stored);
  return verifyShaCrypt(password, stored);
}
