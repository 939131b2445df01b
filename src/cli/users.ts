/** `users add | remove | list | verify`: the users file from the command line, changed in one step and never half. */
import process from 'node:process';
import { nameFault, parseUsers } from '../policy/users.ts';
import { removeUser, setUser } from '../policy/users-edit.ts';
import { hashBcrypt } from '../state/password-bcrypt.ts';
import { verifyStored } from '../state/password-stored.ts';
import { findUsersFile, readUsersText, UsersError, writeUsersText } from './users-file.ts';
import type { PasswordInput } from './users-password.ts';
import { readPassword } from './users-password.ts';

export interface UsersOptions {
  /** The configuration file; null for the embedded defaults. */
  readonly config: string | null;
  readonly json: boolean;
  readonly out: (text: string) => void;
  /** Where prompts and errors go; standard error unless given. */
  readonly say?: (text: string) => void;
  /** Where passwords come from; standard input unless given. */
  readonly input?: PasswordInput;
}

/** Adds a user, or gives one that is there another password. Gives 0, or 1 where nothing was changed. */
export function runUsersAdd(options: UsersOptions, name: string): Promise<number> {
  return sayingErrors(options, async () => {
    const fault = nameFault(name);
    if (fault !== null) throw new UsersError(fault);
    const path = await findUsersFile(options.config);
    // What cannot be changed is said before anybody types a password.
    readUsersText(path, true);
    const password = await ask(options, [`New password for ${name}: `, 'Again: ']);
    const unfit = passwordFault(password);
    if (unfit !== null) throw new UsersError(unfit);
    const { text, found } = setUser(readUsersText(path, true), name, hashBcrypt(password));
    writeUsersText(path, text);
    report(options, { user: name, done: found > 0 ? 'changed' : 'added', file: path });
    return 0;
  });
}

/** Takes a user out; the proxy knows it with its next reload. Gives 0, or 1 where there was none. */
export function runUsersRemove(options: UsersOptions, name: string): Promise<number> {
  return sayingErrors(options, async () => {
    const path = await findUsersFile(options.config);
    const { text, found } = removeUser(readUsersText(path), name);
    if (found === 0) throw new UsersError(`no user ${name} in ${path}`);
    writeUsersText(path, text);
    report(options, { user: name, done: 'removed', file: path });
    return 0;
  });
}

/** Lists the users with the form of their hashes, never the hashes. Gives 0, or 1 where the file has faults. */
export function runUsersList(options: UsersOptions): Promise<number> {
  return sayingErrors(options, async () => {
    const path = await findUsersFile(options.config);
    const { lines, findings } = parseUsers(readUsersText(path), path);
    const width = Math.max(...lines.map(({ name }) => name.length), 0);
    const users = lines.map(({ name, line, form }) => ({ user: name, line, ...(form ?? { kind: null, work: null }) }));
    const text = users
      .map(
        ({ user, kind, work }) =>
          `${user.padEnd(width)}  ${kind === null ? 'refused, see `check`' : formOf(kind, work)}\n`,
      )
      .join('');
    options.out(options.json ? `${JSON.stringify({ file: path, users })}\n` : text);
    return findings.some(({ severity }) => severity === 'fault') ? 1 : 0;
  });
}

/** Tells whether a password is a user's. Gives 0 where it is, else 1. */
export function runUsersVerify(options: UsersOptions, name: string): Promise<number> {
  return sayingErrors(options, async () => {
    const path = await findUsersFile(options.config);
    const { users } = parseUsers(readUsersText(path), path);
    const stored = users.hashes.get(name);
    if (stored === undefined) throw new UsersError(`no user ${name} with a readable hash in ${path}`);
    const isRight = verifyStored(await ask(options, [`Password for ${name}: `]), stored);
    options.out(options.json ? `${JSON.stringify({ user: name, right: isRight })}\n` : isRight ? 'right\n' : 'wrong\n');
    return isRight ? 0 : 1;
  });
}

function ask({ input = process.stdin, say = toStandardError }: UsersOptions, prompts: readonly string[]) {
  return readPassword(input, prompts, say);
}

/** What no client could send as Basic credentials, or bcrypt would not read whole. */
function passwordFault(password: string): string | null {
  if (password === '') return 'the password is empty; nothing was changed';
  if (/[\0-\x1f\x7f-\x9f]/.test(password)) return 'a password has no control characters; nothing was changed';
  if (password.includes('\ufffd')) return 'the password is not UTF-8; nothing was changed';
  return Buffer.byteLength(password) > 72 ? 'a password has at most 72 bytes: bcrypt reads no further' : null;
}

function formOf(kind: string, work: number | null): string {
  return kind === 'bcrypt' ? `bcrypt, cost ${work}` : `${kind}, ${work} rounds`;
}

function report({ json, out }: UsersOptions, change: { user: string; done: string; file: string }): void {
  out(json ? `${JSON.stringify(change)}\n` : `user ${change.user} ${change.done} (${change.file})\n`);
}

function toStandardError(text: string): void {
  process.stderr.write(text);
}

async function sayingErrors({ say = toStandardError }: UsersOptions, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof UsersError)) throw error;
    say(`lockdown-proxy: ${error.message}\n`);
    return 1;
  }
}
