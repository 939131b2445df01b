/** The Debian package in a bare Debian with its own systemd: installed, upgraded, removed and purged as by its operator. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unpackDebian } from './debian-root.ts';
import { canMakeNamespaces, untilSaid } from './namespace.ts';
import { hosts, layNetwork, publicClient } from './network.ts';
import type { Network } from './network.ts';

const project = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
const tools = ['debootstrap', 'systemd-nspawn', 'dpkg-deb', 'nsenter', 'curl', 'ip', 'lintian'];
const canRun = canMakeNamespaces && tools.every((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0);
if (!canRun) console.warn(`skipped: the Debian package needs root and ${tools.join(', ')}`);

const scratch = mkdtempSync(join(tmpdir(), 'debian-package-'));
const root = join(scratch, 'root');
const stop: (() => Promise<void>)[] = [];
let network: Network;
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
async function build(version: string, level = '1'): Promise<string> {
  const env = { ...process.env, DEB_VERSION: version, LEVEL: level, OUT: scratch };
  await run('bash', [join(project, 'deploy/deb/build.sh'), 'amd64'], { env });
  const name = `lockdown-proxy_${version}_amd64.deb`;
  copyFileSync(join(scratch, name), join(root, 'root', name));
  return `/root/${name}`;
}

/** Boots the root with its own systemd and waits until that has started everything. */
async function boot(): Promise<void> {
  const place = `--network-namespace-path=/run/netns/${network.machine.name}`;
  const argv = ['--register=no', '--keep-unit', place, '-D', root, '--boot'];
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
  await there('systemctl is-system-running --wait');
}

/** Waits on the booted system until a shell condition holds. */
const eventually = (condition: string): Promise<string> =>
  there(`timeout 60 sh -c 'until ${condition}; do sleep 0.2; done' && echo so`);

const ask = 'curl -s -o /dev/null -w "%{http_connect}" -x http://127.0.0.1:3128 https://example.com';

describe.skipIf(!canRun)('the Debian package', () => {
  beforeAll(async () => {
    await unpackDebian(root);
    network = await layNetwork();
    appendFileSync(join(root, 'etc/hosts'), hosts);
    await boot();
  });
  afterAll(async () => {
    for (const end of stop) await end();
    await network[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  it('installs without a network and serves at once, admitting its clients and refusing what no rule allows', async () => {
    expect(await there(`apt-get install -y ${await build('0.0.1')}`)).toContain('Setting up lockdown-proxy (0.0.1)');
    expect(await there('systemctl is-active lockdown-proxy')).toBe('active\n');
    expect(await there('lockdown-proxy check')).toContain('0 faults, 0 warnings');
    expect(await there(ask)).toContain('403');
    expect(await there('cat /var/log/lockdown-proxy/access.log')).toContain('not_on_allowlist');
    expect(await there('lockdown-proxy status')).toContain('enforce');
  });

  it('has no error in the eyes of Debian, but for what it brings on purpose (lintian-overrides)', async () => {
    const argv = ['--info', '--allow-root', join(scratch, 'lockdown-proxy_0.0.1_amd64.deb')];
    const { stdout, stderr } = await run('lintian', argv).catch((error: { stdout: string; stderr: string }) => error);
    // It did look: there is always something that could be nicer.
    expect(stdout + stderr).toMatch(/^W: lockdown-proxy: /m);
    expect(stdout.split('\n').filter((line) => line.startsWith('E:'))).toEqual([]);
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

  it('lets both subnets out, with no file edited, and refuses a public address', async () => {
    expect(network.fetchFrom(network.near)).toBe('stored 200');
    expect(network.fetchFrom(network.far)).toBe('stored 200');
    expect(network.fetchFrom(network.internet, '--interface', publicClient)).toBe(' 403');
    const log = await there('cat /var/log/lockdown-proxy/access.log');
    const lines = log
      .trim()
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []));
    const told = lines.map(({ client, verdict, reason }) => [client, verdict, reason]);
    expect(told).toContainEqual(['10.77.0.10', 'allow', null]);
    expect(told).toContainEqual(['10.78.0.10', 'allow', null]);
    expect(told).toContainEqual([publicClient, 'deny', 'client_outside_network']);
  });

  it('refuses the other subnet once `networks` names one, by a reload that closes nothing else', async () => {
    const pid = await there('systemctl show -P MainPID lockdown-proxy');
    const edit = "sed -i 's|^networks:.*|networks: [10.77.0.0/24]|' /etc/lockdown-proxy/config.yaml";
    expect(await there(`${edit} && systemctl reload lockdown-proxy`)).toBe('');
    expect(await eventually('lockdown-proxy status | grep -qi "generation 2"')).toBe('so\n');
    expect(network.fetchFrom(network.near)).toBe('stored 200');
    expect(network.fetchFrom(network.far)).toBe(' 403');
    expect(await there('systemctl show -P MainPID lockdown-proxy')).toBe(pid);
    await there("sed -i 's|^networks:.*|networks: [private]|' /etc/lockdown-proxy/config.yaml; lockdown-proxy reload");
  });

  it('writes a log that the group adm may read, and goes on in a new file when logrotate has turned it over', async () => {
    const log = '/var/log/lockdown-proxy/access.log';
    expect(await there(`stat -c '%U %G %a' ${log} $(dirname ${log})`)).toBe(
      'lockdown-proxy adm 640\nlockdown-proxy adm 2750\n',
    );
    expect(await there('logrotate -f /etc/logrotate.d/lockdown-proxy')).toBe('');
    network.fetchFrom(network.near);
    expect(await eventually(`test -s ${log}`)).toBe('so\n');
    expect(await there(`cat ${log}`)).toContain('10.77.0.10');
    expect(await there('cat /var/log/lockdown-proxy/access.log-*')).toContain(publicClient);
    expect(await there('lockdown-proxy logs summary')).not.toContain('exit');
  });

  it('is started anew by the watchdog when its event loop stands still', async () => {
    const unit = '/run/systemd/system/lockdown-proxy.service.d';
    await there(`mkdir -p ${unit}; printf '[Service]\\nWatchdogSec=2s\\nTimeoutAbortSec=1s\\n' > ${unit}/short.conf`);
    await there('systemctl daemon-reload; systemctl restart lockdown-proxy');
    await there('kill -STOP $(systemctl show -P MainPID lockdown-proxy)');
    expect(await eventually('test "$(systemctl show -P NRestarts lockdown-proxy)" = 1')).toBe('so\n');
    expect(await eventually('systemctl -q is-active lockdown-proxy')).toBe('so\n');
    expect(network.fetchFrom(network.near)).toBe('stored 200');
    await there(`rm -r ${unit}; systemctl daemon-reload; systemctl restart lockdown-proxy`);
  });

  it('refuses no connection while it restarts, when systemd holds its socket', async () => {
    const held = await there(
      'systemctl stop lockdown-proxy && systemctl start lockdown-proxy.socket lockdown-proxy && echo held',
    );
    expect(held).toBe('held\n');
    // Connects as fast as it can until told to stop, and counts connections that did not come about or were cut off unanswered.
    const hammer = `
      const { connect } = require('node:net');
      let isOn = true, asked = 0, failed = 0, open = 0;
      process.stdin.once('data', () => { isOn = false; });
      const one = () => {
        if (!isOn) { if (open === 0) { console.log('asked ' + asked + ' failed ' + failed); process.exit(0); } return; }
        asked++; open++;
        let said = '';
        const socket = connect(3128, '10.77.0.4', () => socket.write('CONNECT www.example.org:443 HTTP/1.1\\r\\n\\r\\n'));
        socket.on('data', (bytes) => { said += bytes; });
        socket.on('error', () => {});
        socket.on('close', () => { open--; if (!said.startsWith('HTTP/1.1 403')) failed++; one(); });
      };
      for (let at = 0; at < 100; at++) one();
      console.log('begun');`;
    const client = network.near.start([process.execPath, '-e', hammer]);
    await untilSaid(client, 'begun');
    const said: string[] = [];
    client.stdout?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    // More starts within seconds are more than systemd allows by itself.
    const restart = 'systemctl reset-failed lockdown-proxy; systemctl restart lockdown-proxy';
    for (let round = 0; round < 3; round++) expect(await there(restart)).toBe('');
    client.stdin?.write('stop');
    await once(client, 'exit');
    const [, asked = '0', failed = '-1'] = /asked (\d+) failed (\d+)/.exec(said.join('')) ?? [];
    expect(Number(asked)).toBeGreaterThan(100);
    expect(Number(failed)).toBe(0);
    await there(
      'systemctl stop lockdown-proxy.socket lockdown-proxy; systemctl reset-failed; systemctl start lockdown-proxy',
    );
  });

  it('keeps what the operator changed through an upgrade, and runs the new version', async () => {
    await there('echo "mode: report" >> /etc/lockdown-proxy/config.yaml && systemctl reload lockdown-proxy');
    expect(await eventually('lockdown-proxy status | grep -q "mode *report"')).toBe('so\n');
    const upgraded = await there(`apt-get install -y -o Dpkg::Options::=--force-confold ${await build('0.0.2')}`);
    expect(upgraded).toContain('Setting up lockdown-proxy (0.0.2)');
    expect(await there('lockdown-proxy status')).toMatch(/mode +report/);
    expect(await there('systemctl is-active lockdown-proxy')).toBe('active\n');
  });

  it('stops and keeps the configuration when removed, and leaves nothing when purged', async () => {
    await there('apt-get remove -y lockdown-proxy');
    expect(await there('systemctl is-active lockdown-proxy')).toContain('inactive');
    expect(await there('cat /etc/lockdown-proxy/config.yaml')).toContain('mode: report');
    await there('apt-get purge -y lockdown-proxy');
    const left = await there('find / -xdev -path /proc -prune -o -name "*lockdown-proxy*" -print | grep -v "^/root/"');
    expect(left.replace('exit 1', '')).toBe('');
  });
});
