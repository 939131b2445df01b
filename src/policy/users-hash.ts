/** The form of one stored password hash: which are read, which are refused and why; a password itself is never needed here. */
import type { Result } from '../errors.ts';

/** How a password was hashed; `work` is what one verification costs: bcrypt's exponent, or rounds. */
export interface HashForm {
  readonly kind: 'bcrypt' | 'sha512-crypt' | 'sha256-crypt' | 'apr1';
  readonly work: number;
}

/** Beyond these one verification holds a thread for seconds, and a handful of them every sign-in. */
const maxCost = 15;
const maxRounds = 1_000_000;
/** Rounds of SHA-crypt where the hash names none; fewer than the least count as the least, as in glibc. */
const standardRounds = 5000;
const leastRounds = 1000;
const apr1Rounds = 1000;

/** Reads the hash behind the colon of an htpasswd line; the message names the fault and never the text. */
export function readHashForm(stored: string): Result<HashForm> {
  const bcrypt = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(stored);
  if (bcrypt) return bounded('bcrypt', Number(bcrypt[1]), 4, maxCost, 'cost');
  const sha = /^\$([56])\$(?:rounds=([1-9]\d{0,8})\$)?[./A-Za-z0-9]{1,16}\$([./A-Za-z0-9]+)$/.exec(stored);
  if (sha && sha[3]?.length === (sha[1] === '6' ? 86 : 43)) {
    const rounds = Math.max(leastRounds, Number(sha[2] ?? standardRounds));
    return bounded(sha[1] === '6' ? 'sha512-crypt' : 'sha256-crypt', rounds, leastRounds, maxRounds, 'rounds');
  }
  if (/^\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}$/.test(stored)) {
    return { ok: true, value: { kind: 'apr1', work: apr1Rounds } };
  }
  return { ok: false, message: refusalOf(stored) };
}

function bounded(kind: HashForm['kind'], work: number, least: number, most: number, name: string): Result<HashForm> {
  if (work >= least && work <= most) return { ok: true, value: { kind, work } };
  return { ok: false, message: `${kind} with ${name} ${work}: it has to lie in ${least} to ${most}` };
}

/** What stands there instead of a hash that is read. */
function refusalOf(stored: string): string {
  if (stored === '') return 'no password hash';
  if (/^\$2[abxy]?\$/.test(stored)) {
    return stored.startsWith('$2x$')
      ? 'bcrypt of the faulty kind `$2x$`'
      : 'a bcrypt hash that is cut off or misspelt (60 characters)';
  }
  if (/^\$(?:apr1|5|6)\$/.test(stored)) return 'a crypt hash that is cut off or misspelt';
  const foreign = /^\$(\w[\w-]{0,15})\$/.exec(stored)?.[1];
  if (foreign !== undefined) return `a hash of a kind that is not read (\`$${foreign}$\`)`;
  if (stored.startsWith('{SHA}')) return 'an unsalted SHA-1 hash';
  if (/^\{\w+\}/.test(stored)) return 'a hash of a kind that is not read';
  if (/^[./A-Za-z0-9]{13}$/.test(stored)) return 'a DES crypt hash or a password in plain text';
  return 'a password in plain text';
}
