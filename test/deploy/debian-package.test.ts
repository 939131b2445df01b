/** The Debian package in a bare Debian with its own systemd: installed, upgraded, removed and purged as by its operator. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const project = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
const tools = ['debootstrap', 'systemd-nspawn', 'dpkg-deb', 'nsenter'];
const canRun =
  process.getuid?.() === 0 && tools.every((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0);
if (!canRun) console.warn(`skipped: the Debian package needs root and ${tools.join(', ')}`);

const scratch = mkdtempSync(join(tmpdir(), 'debian-package-'));
const root = join(scratch, 'root');
const stop: (() => Promise<void>)[] = [];
let init = '';

/** Runs a shell line on the booted system; gives its output, and its exit code where that is not 0. */
async function there(line: string): Promise<string> {
  const env = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'DEBIAN_FRONTEND=noninteractive'];
  const argv = ['-t', init, '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w', 'env', '-i', ...env, 'sh', '-c'];
  try {
    return (await run('nsenter', [...argv, `(${line}) 2>&1`])).stdout;
  } catch (error) {
    const { stdout, code } = error as { stdout: string; code: number };
    return `${stdout}exit ${code}`;
  }
}

/** Builds the package under a version; gives where it stands on the booted system. */
async function build(version: string): Promise<string> {
  const env = { ...process.env, DEB_VERSION: version, LEVEL: '1', OUT: scratch };
  await run('bash', [join(project, 'deploy/deb/build.sh'), 'amd64'], { env });
  const name = `lockdown-proxy_${version}_amd64.deb`;
  copyFileSync(join(scratch, name), join(root, 'root', name));
  return `/root/${name}`;
}

/** Boots the root with its own systemd and waits until that has started everything. */
async function boot(): Promise<void> {
  const argv = ['--register=no', '--keep-unit', '--private-network', '-D', root, '--boot'];
  const nspawn = spawn('systemd-nspawn', argv, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((done) => nspawn.once('exit', () => done()));
  stop.push(async () => {
    if (init !== '') process.kill(Number(init), 'SIGKILL');
    await ended;
  });
  await new Promise<void>((done, fail) => {
    let said = '';
    nspawn.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('login:') || said.includes('Multi-User')) done();
    });
    nspawn.once('exit', () => fail(new Error(`the root did not boot: ${said}`)));
  });
  init = readFileSync(`/proc/${nspawn.pid}/task/${nspawn.pid}/children`, 'utf8').trim().split(' ')[0] ?? '';
  await there('systemctl is-system-running --wait; ip link set lo up');
}

const ask = 'curl -s -o /dev/null -w "%{http_connect}" -x http://127.0.0.1:3128 https://example.com';

describe.skipIf(!canRun)('the Debian package', () => {
  beforeAll(async () => {
    const packages = '--include=systemd,systemd-sysv,curl,iproute2,ca-certificates';
    await run('debootstrap', ['--variant=minbase', packages, 'bookworm', root, 'http://deb.debian.org/debian']);
    await boot();
  });
  afterAll(async () => {
    for (const end of stop) await end();
    rmSync(scratch, { recursive: true, force: true });
  });

  it('installs without a network and serves at once, admitting its clients and refusing what no rule allows', async () => {
    expect(await there(`dpkg -i ${await build('0.0.1')}`)).toContain('Setting up lockdown-proxy (0.0.1)');
    expect(await there('systemctl is-active lockdown-proxy')).toBe('active\n');
    expect(await there('lockdown-proxy check')).toContain('0 faults, 0 warnings');
    expect(await there(ask)).toContain('403');
    expect(await there('cat /var/log/lockdown-proxy/access.log')).toContain('not_on_allowlist');
    expect(await there('lockdown-proxy status')).toContain('enforce');
  });

  it('runs as its own user, without a capability, on code that was compiled when it was installed', async () => {
    const status = await there('cat /proc/$(systemctl show -P MainPID lockdown-proxy)/status');
    expect(status).toMatch(/CapBnd:\s+0+\n/);
    expect(status).toMatch(/NoNewPrivs:\s+1/);
    expect(
      await there('ps -o user= -p $(systemctl show -P MainPID lockdown-proxy) || id -un lockdown-proxy'),
    ).toContain('lockdown');
    const uid = (await there('id -u lockdown-proxy')).trim();
    expect(readdirSync(join(root, 'var/cache/lockdown-proxy')).some((name) => name.endsWith(`-${uid}`))).toBe(true);
  });

  it('keeps what the operator changed through an upgrade, and runs the new version', async () => {
    await there('echo "mode: report" >> /etc/lockdown-proxy/config.yaml && systemctl reload lockdown-proxy');
    expect(await there('lockdown-proxy status')).toMatch(/mode +report/);
    const upgraded = await there(`dpkg -i --force-confold ${await build('0.0.2')}`);
    expect(upgraded).toContain('Setting up lockdown-proxy (0.0.2)');
    expect(await there('lockdown-proxy status')).toMatch(/mode +report/);
    expect(await there('systemctl is-active lockdown-proxy')).toBe('active\n');
  });

  it('stops and keeps the configuration when removed, and leaves nothing when purged', async () => {
    await there('dpkg -r lockdown-proxy');
    expect(await there('systemctl is-active lockdown-proxy')).toContain('inactive');
    expect(await there('cat /etc/lockdown-proxy/config.yaml')).toContain('mode: report');
    await there('dpkg -P lockdown-proxy');
    const left = await there('find / -xdev -path /proc -prune -o -name "*lockdown-proxy*" -print | grep -v "^/root/"');
    expect(left.replace('exit 1', '')).toBe('');
  });
});
