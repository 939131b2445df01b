/** Where the proxy writes: whether its user may, how much room is left, and whether the log is turned over. */
import { basename, dirname } from 'node:path';
import { bytesText } from '../logs/terminal.ts';
import type { Check, Finding, Say } from './finding.ts';
import { about, messageOf } from './finding.ts';
import type { Patient } from './patient.ts';
import type { FileRights, Sources } from './sources.ts';

const failBytes = 64 * 1024 * 1024;
const warnBytes = 1024 * 1024 * 1024;
/** A log this long that nothing turned over will go on to fill the disk. */
const longLogBytes = 1024 * 1024 * 1024;
const rotateFolder = '/etc/logrotate.d';
const rotateFix = 'cp deploy/logrotate/lockdown-proxy /etc/logrotate.d/ (the Debian package brings it)';

/** The service's user, as the kernel has it for the process that runs. */
interface User {
  readonly uid: number;
  readonly gids: readonly number[];
}

export async function probeAccessLog(patient: Patient): Promise<readonly Finding[]> {
  const say = about('machine', 'access-log');
  const { config, sources } = patient;
  const { access } = config.log;
  if (access === '-') {
    const isJournal = await sources.showUnit('lockdown-proxy.service');
    return isJournal !== null && /^LoadState=loaded$/m.test(isJournal)
      ? [say.ok('standard output: the journal keeps it, `journalctl -u lockdown-proxy -o cat`')]
      : [
          say.unseen(
            'it goes to standard output, and who keeps that is not known here',
            'look at where `serve` was started',
          ),
        ];
  }
  const folder = dirname(access);
  const found = await tellFolder(patient, say, folder, 'access-log');
  const rights = sources.rightsOf(access);
  const user = userOf(patient);
  if (rights && user && !mayWrite(rights, user)) {
    found.push(say.fail(`${access}: the service's user (${user.uid}) may not write it`, `chown ${user.uid} ${access}`));
  }
  return [...found, ...tellRotation(say, access, rights?.size ?? 0, sources)];
}

export async function probeState(patient: Patient): Promise<readonly Finding[]> {
  return tellFolder(patient, about('machine', 'state'), patient.config.ranges.cacheDir, 'state');
}

async function tellFolder(patient: Patient, say: Say, folder: string, check: Check): Promise<Finding[]> {
  const { sources } = patient;
  const rights = sources.rightsOf(folder);
  const unit = check === 'state' ? 'StateDirectory=' : 'LogsDirectory=';
  if (!rights?.isFolder) {
    if (patient.sources.uid !== 0)
      return [say.unseen(`${folder} is not there, or hidden from this user`, 'sudo lockdown-proxy doctor')];
    const fix = `mkdir -p ${folder}; under systemd the unit makes it (${unit})`;
    // Without a state folder the proxy serves, and has nothing to fall back on.
    const state = check === 'state' ? 'warn' : 'fail';
    return [say[state](`${folder}: there is no such folder`, fix)];
  }
  const found: Finding[] = [];
  const user = userOf(patient);
  if (user && !mayWrite(rights, user)) {
    const fix = `chown ${user.uid} ${folder}; under systemd the unit does it (${unit})`;
    found.push(say.fail(`${folder}: the service's user (${user.uid}) may not write there`, fix));
  }
  try {
    const { freeBytes, totalBytes } = await sources.freeSpace(folder);
    const told = `${folder}: ${bytesText(freeBytes)} free of ${bytesText(totalBytes)}`;
    const fix = `make room, or a larger disk: du -xh ${folder} | sort -h | tail`;
    if (freeBytes < failBytes) found.push(say.fail(told, fix));
    else if (freeBytes < warnBytes) found.push(say.warn(told, fix));
    else found.push(say.ok(user ? `${told}, writable for the service` : told));
  } catch (error) {
    found.push(say.warn(`${folder}: how much is free cannot be told: ${messageOf(error)}`, `df ${folder}`));
  }
  return found;
}

/** Uid and groups from /proc; null where nothing runs. */
function userOf({ running, sources }: Patient): User | null {
  const text = running.status && sources.readText(`/proc/${running.status.pid}/status`);
  if (!text) return null;
  const numbers = (name: string) =>
    (new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '').split(/\s+/).filter(Boolean).map(Number);
  const [, uid] = numbers('Uid');
  const [, gid] = numbers('Gid');
  return uid === undefined ? null : { uid, gids: [...(gid === undefined ? [] : [gid]), ...numbers('Groups')] };
}

/** By the permission bits; write access to a folder without `x` is of no use. */
function mayWrite({ uid, gid, mode, isFolder }: FileRights, user: User): boolean {
  if (user.uid === 0) return true;
  const shift = user.uid === uid ? 6 : user.gids.includes(gid) ? 3 : 0;
  const wanted = isFolder ? 3 : 2;
  return ((mode >> shift) & wanted) === wanted;
}

function tellRotation(say: Say, path: string, size: number, sources: Sources): readonly Finding[] {
  const folder = dirname(path);
  const isNamed = sources.listFolder(rotateFolder).some((name) => {
    const text = sources.readText(`${rotateFolder}/${name}`) ?? '';
    return text.includes(`${folder}/`);
  });
  if (isNamed) return [];
  const siblings = sources
    .listFolder(folder)
    .filter((name) => name.startsWith(`${basename(path)}.`) || name.startsWith(`${basename(path)}-`));
  if (siblings.length > 0) return [];
  const told = `${path}: nothing in ${rotateFolder} turns it over`;
  return [
    size > longLogBytes ? say.fail(`${told}, and it has ${bytesText(size)}`, rotateFix) : say.warn(told, rotateFix),
  ];
}
