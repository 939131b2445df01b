/** The file that `upstream.credentialsFile` names: one line `user:password`, for the parent proxy alone. */
import type { Severity } from '../errors.ts';
import type { Config } from './config.ts';
import { readText } from './lists.ts';

export interface SecretFileOptions {
  readonly readFile: (path: string) => string;
  /** The permission bits of a file, or null where the system has none. */
  readonly fileMode?: (path: string) => number | null;
}

/** Any permission of others than owner and group. */
const others = 0o007;

/** `0644` and the like where others may use the file, else null. */
export function modeOpenToOthers(path: string, { fileMode }: SecretFileOptions): string | null {
  const mode = fileMode?.(path) ?? 0;
  return (mode & others) === 0 ? null : (mode & 0o777).toString(8).padStart(4, '0');
}

/** Reads the credential; `report` tells what is wrong, without a word of what the file holds. */
export function readParentCredential(
  { proxy, credentialsFile }: Config['upstream'],
  options: SecretFileOptions,
  report: (severity: Severity, path: readonly string[], message: string) => void,
): string | null {
  if (credentialsFile === null) return null;
  const say = (severity: Severity, message: string) => report(severity, ['upstream', 'credentialsFile'], message);
  if (proxy === null) say('fault', 'a credential for no parent: `upstream.credentialsFile` needs `upstream.proxy`');
  const text = readText(credentialsFile, options.readFile);
  if (!text.ok) {
    say('fault', `cannot read the credentials file: ${text.message}; it holds one line user:password`);
    return null;
  }
  const mode = modeOpenToOthers(credentialsFile, options);
  if (mode !== null) {
    const repair = `run \`chmod 600 ${credentialsFile}\``;
    say('fault', `everybody on this machine can read the credentials file (mode ${mode}); ${repair}`);
  }
  const line = text.value.replace(/^\ufeff/, '').replace(/\r?\n$/, '');
  const fault = faultIn(line);
  if (fault !== null) say('fault', `${credentialsFile}: ${fault}; write one line user:password`);
  else if (proxy && !proxy.isTls) say('note', 'the credential goes to the parent unencrypted; https:// would hide it');
  return fault === null ? line : null;
}

function faultIn(line: string): string | null {
  if (line.trim() === '') return 'the file is empty';
  if (/[\r\n]/.test(line)) return 'it has more than one line';
  if (line.includes('\ufffd')) return 'it is not UTF-8';
  // Basic authentication has no way to carry these (RFC 7617 section 2).
  if (/[\0-\x1f\x7f-\x9f]/.test(line)) return 'it has a control character';
  return line.indexOf(':') > 0 ? null : 'there is no user name with a colon behind it';
}
