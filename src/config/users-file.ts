/** The users file that `auth` names: found, read and parsed, and whether it fits the rest of the configuration. */
import type { Fault, Severity } from '../errors.ts';
import { didYouMean } from '../policy/nearest.ts';
import type { Rule } from '../policy/rule.ts';
import type { ParsedUsers } from '../policy/users.ts';
import { parseUsers } from '../policy/users.ts';
import type { Config } from './config.ts';
import { readText } from './lists.ts';

export interface UsersFile {
  /** The path that was given to `readFile`. */
  readonly path: string;
  readonly parsed: ParsedUsers;
}

export interface UsersFileOptions {
  readonly readFile: (path: string) => string;
  /** The permission bits of a file, or null where the system has none. */
  readonly fileMode?: (path: string) => number | null;
  /** Whether client certificates name users as well. */
  readonly hasCertificateUsers: boolean;
}

/** Permission of others than owner and group to read. */
const othersRead = 0o004;

/** Reads the file; `report` tells what is wrong with the keys that name it. Null: no users, or no file to read. */
export function readUsersFile(
  auth: Config['auth'],
  options: UsersFileOptions,
  report: (severity: Severity, path: readonly string[], message: string) => void,
): UsersFile | null {
  const { usersFile, requiredFrom } = auth;
  if (usersFile === null) {
    if (requiredFrom.length > 0 && !options.hasCertificateUsers) {
      report('fault', ['auth', 'requiredFrom'], 'nobody could sign in: `auth.requiredFrom` needs `auth.usersFile`');
    }
    return null;
  }
  const text = readText(usersFile, options.readFile);
  if (!text.ok) {
    const repair = 'users are added with `lockdown-proxy users add NAME`';
    report('fault', ['auth', 'usersFile'], `cannot read the users file: ${text.message}; ${repair}`);
    return null;
  }
  const parsed = parseUsers(text.value, usersFile);
  const mode = options.fileMode?.(usersFile) ?? 0;
  if ((mode & othersRead) === 0) return { path: usersFile, parsed };
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  const message = `everybody on this machine can read the users file (mode ${octal}); run \`chmod 640 ${usersFile}\``;
  const open: Fault = { file: usersFile, line: 1, column: 1, severity: 'warning', message };
  return { path: usersFile, parsed: { ...parsed, findings: [open, ...parsed.findings] } };
}

/** Users that rules name and the file has not: such a rule is waiting for somebody who cannot sign in. */
export function warnOfUnknownUsers(rules: readonly Rule[], { path, parsed }: UsersFile): readonly Fault[] {
  const names = new Set(parsed.lines.map(({ name }) => name));
  return rules.flatMap(({ users, file, line }) =>
    (users ?? [])
      .filter((user) => !names.has(user))
      .map((user) => {
        const message = `no user \`${user}\` in ${path}${didYouMean(user, names)}`;
        return { file, line, column: 1, severity: 'warning' as const, message };
      }),
  );
}
