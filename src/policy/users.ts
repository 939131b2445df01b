/** The users file: htpasswd lines, read whole, every fault with its place and the command that repairs it. */
import type { Fault, Severity } from '../errors.ts';
import { readHashForm } from './users-hash.ts';
import type { HashForm } from './users-hash.ts';

/** Who may sign in. */
export interface Users {
  /** The stored hash of each name; names are compared as they are, case and all. */
  readonly hashes: ReadonlyMap<string, string>;
  /** A hash of nobody's, as costly as most here: names that are not there are verified against it. */
  readonly decoy: string;
}

/** One user as written; `form` is null where the hash is refused. */
export interface UserLine {
  readonly name: string;
  readonly line: number;
  readonly form: HashForm | null;
}

export interface ParsedUsers {
  readonly users: Users;
  readonly lines: readonly UserLine[];
  readonly findings: readonly Fault[];
}

/** Beneath this a stolen file is guessed through at leisure. */
const leastCost = 8;
/** Where no user says what a verification costs. */
const standardDecoy = decoyOf({ kind: 'bcrypt', work: 10 });

/** Reads `NAME:HASH` lines; blank lines and `#` comments are left out. Messages name users, never what stands behind the colon. */
export function parseUsers(text: string, file: string): ParsedUsers {
  const findings: Fault[] = [];
  const lines: UserLine[] = [];
  const hashes = new Map<string, string>();
  const report = (severity: Severity, line: number, column: number, message: string) =>
    findings.push({ file, line, column, severity, message });

  const written = text.replace(/^\ufeff/, '').split('\n');
  for (const [at, raw] of written.entries()) {
    const line = at + 1;
    const entry = raw.replace(/\r$/, '');
    if (/^\s*(?:#|$)/.test(entry)) continue;
    const colon = entry.indexOf(':');
    const name = entry.slice(0, Math.max(colon, 0));
    const misnamed = colon < 0 ? 'no colon' : nameFault(name);
    if (misnamed !== null) {
      report('fault', line, 1, `${misnamed}; a line is NAME:HASH, as \`lockdown-proxy users add NAME\` writes it`);
      continue;
    }
    // Some programs write further fields behind the hash.
    const [stored = ''] = entry.slice(colon + 1).split(':');
    const form = readHashForm(stored);
    const repair = `run \`lockdown-proxy users add ${shellWord(name)}\``;
    const earlier = lines.find((other) => other.name === name);
    lines.push({ name, line, form: form.ok ? form.value : null });
    if (earlier) report('fault', line, 1, `user \`${name}\` stands in line ${earlier.line} already; take one line out`);
    else if (!form.ok) report('fault', line, colon + 2, `user \`${name}\`: ${form.message}; ${repair}`);
    else {
      hashes.set(name, stored);
      const weak = weaknessOf(form.value);
      if (weak !== null) report('warning', line, colon + 2, `user \`${name}\`: ${weak}; ${repair}`);
    }
  }
  if (lines.length === 0 && findings.length === 0) {
    report('fault', 1, 1, 'no user stands in this file; run `lockdown-proxy users add NAME`');
  }
  if (text !== '' && !text.endsWith('\n')) {
    const last = written.at(-1) ?? '';
    report('fault', written.length, last.length + 1, 'no newline at the end: the file may be half written');
  }
  const forms = lines.flatMap(({ form }) => form ?? []);
  return { users: { hashes, decoy: mostCommonDecoy(forms) }, lines, findings };
}

/** What is wrong with a user name, or null. A rule's `user` clause cannot name one with a blank or a comma. */
export function nameFault(name: string): string | null {
  if (name === '') return 'no name before the colon';
  if (/[\0-\x1f\x7f-\x9f]/.test(name)) return 'a control character in the name';
  if (/[\s,:]/.test(name)) return 'a user name has no blank, comma or colon';
  if (name.startsWith('#')) return 'a user name does not begin with `#`';
  return Buffer.byteLength(name) > 255 ? 'a user name has at most 255 bytes' : null;
}

/** A name as a shell takes it for one word. */
function shellWord(name: string): string {
  return /^[\w.@%+-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
}

function weaknessOf({ kind, work }: HashForm): string | null {
  if (kind === 'apr1') return 'apr1 (MD5) is soon guessed where the file gets out';
  return kind === 'bcrypt' && work < leastCost
    ? `bcrypt of cost ${work} is soon guessed where the file gets out`
    : null;
}

/** Whoever asks for a name that is not there is to wait as long as for most that are. */
function mostCommonDecoy(forms: readonly HashForm[]): string {
  const groups = Map.groupBy(forms, ({ kind, work }) => `${kind} ${work}`);
  const [most] = [...groups.values()].sort((a, b) => b.length - a.length);
  return most?.[0] === undefined ? standardDecoy : decoyOf(most[0]);
}

/** A well-formed hash whose password nobody knows: its digest is all one digit. */
function decoyOf({ kind, work }: HashForm): string {
  if (kind === 'bcrypt') return `$2b$${String(work).padStart(2, '0')}$${'.'.repeat(53)}`;
  if (kind === 'apr1') return `$apr1$decoy...$${'.'.repeat(22)}`;
  const [id, digits] = kind === 'sha512-crypt' ? [6, 86] : [5, 43];
  return `$${id}$rounds=${work}$decoy...........$${'.'.repeat(digits)}`;
}
