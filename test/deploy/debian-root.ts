/** A bare Debian to install into, made once a run and unpacked for each test that wants one. Needs root and debootstrap. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** What a minimal Debian VM has, and what tests ask it with. */
const packages = 'systemd,systemd-sysv,curl,iproute2,ca-certificates,logrotate';

/** Fills an empty folder. @throws Error with what debootstrap or tar said */
export async function unpackDebian(into: string): Promise<void> {
  const folder = process.env['LOCKDOWN_PROXY_DEPLOY_SCRATCH'];
  if (folder === undefined) throw new Error('the run has no folder: use `npm run test:deploy`');
  const archive = join(folder, 'debian.tar');
  if (!existsSync(archive)) {
    const made = join(folder, 'made');
    const argv = ['--variant=minbase', `--include=${packages}`, 'bookworm', made, 'http://deb.debian.org/debian'];
    await run('debootstrap', argv, { maxBuffer: 64 * 1024 * 1024 });
    await run('tar', ['-C', made, '--one-file-system', '-cf', archive, '.']);
    await run('rm', ['-rf', made]);
  }
  mkdirSync(into, { recursive: true });
  await run('tar', ['-C', into, '-xf', archive]);
}
