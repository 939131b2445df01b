/** The users file on disk: which one it is, and how a changed text gets there in one step. */
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { inspectConfig } from '../config/load.ts';
import { readText } from '../config/lists.ts';
import { formatFault } from '../errors.ts';
import { thisMachine } from './load-config.ts';

/** What stops a `users` command, in words for the operator. */
export class UsersError extends Error {
  override readonly name = 'UsersError';
}

/** Owner and group: the proxy reads it as a member of the group, others do not. */
const mode = 0o640;

/** The path that the configuration gives `auth.usersFile`, whether or not there is a file yet. @throws UsersError */
export async function findUsersFile(config: string | null): Promise<string> {
  const machine = await thisMachine();
  const inspected = inspectConfig({ file: config, readFile: (path) => readFileSync(path, 'utf8'), ...machine });
  const { usersFile } = inspected.config.auth;
  if (usersFile !== null) return usersFile;
  const faults = inspected.findings.filter(({ severity, file }) => severity === 'fault' && file === config);
  throw new UsersError(
    [...faults.map(formatFault), 'the configuration names no users file; write `auth: { usersFile: ./users }`'].join(
      '\n',
    ),
  );
}

/** The text of the file; empty where there is none yet and `isNew` allows that. @throws UsersError */
export function readUsersText(path: string, isNew = false): string {
  const read = readText(path, (file) => {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      if (isNew && error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
      throw error;
    }
  });
  if (!read.ok) throw new UsersError(`cannot read the users file: ${read.message}`);
  if (read.value !== '' && !read.value.endsWith('\n')) {
    throw new UsersError(`${path} has no newline at its end: it may be half written; mend it first`);
  }
  return read.value;
}

/** Replaces the file so that a reader finds the old one or the new one whole. @throws UsersError */
export function writeUsersText(path: string, text: string): void {
  let temporary: string | null = null;
  try {
    const real = realPath(path);
    temporary = `${real}.${randomBytes(4).toString('hex')}.tmp`;
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx', flush: true });
    giveTo(temporary, real);
    chmodSync(temporary, mode);
    renameSync(temporary, real);
  } catch (error) {
    if (temporary !== null) rmSync(temporary, { force: true });
    throw new UsersError(`cannot write ${path}: ${error instanceof Error ? error.message : 'unknown error'}`);
  }
}

/** A link stays one: what it points to is replaced. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** The owner and group that the file had; a new one gets the group of its folder, which the proxy can read. */
function giveTo(temporary: string, path: string): void {
  const before = statSync(path, { throwIfNoEntry: false });
  try {
    if (before) chownSync(temporary, before.uid, before.gid);
    else chownSync(temporary, statSync(temporary).uid, statSync(dirname(path)).gid);
  } catch (error) {
    // Only root may give files away; without that the file is its writer's, as any other.
    if (before || !(error instanceof Error && 'code' in error && error.code === 'EPERM')) throw error;
  }
}
