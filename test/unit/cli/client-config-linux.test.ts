/** `client-config linux`: the printed script run on copies of what distributions have, twice, and taken back. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TempFolder } from '../../support/temp-folder.ts';
import { createTempFolder } from '../../support/temp-folder.ts';

const program = join(import.meta.dirname, '../../../src/lockdown-proxy.js');
const url = 'http://10.0.0.5:3128';
const direct = 'localhost,127.0.0.1,::1,168.63.129.16,169.254.169.254';
const changed = '  will change      ';

function print(...options: readonly string[]) {
  return spawnSync(process.execPath, [program, 'client-config', 'linux', ...options], { encoding: 'utf8' });
}

const script = print('--proxy', '10.0.0.5:3128').stdout;

function run(root: TempFolder, ...options: readonly string[]) {
  const argv = ['-s', '--', '--root', root.path, ...options];
  const { stdout, stderr, status } = spawnSync('sh', argv, { input: script, encoding: 'utf8' });
  return { out: stdout, told: stderr, status };
}

const waagent =
  'Extensions.Enabled=y\n# None if there is no proxy\n#HttpProxy.Host=None\n#HttpProxy.Port=None\nLogs.Verbose=n\n';
const unit = '[Service]\nExecStart=/usr/sbin/waagent -daemon\n';

/** What each family of distributions has of the files in question. */
const families: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Debian: {
    'etc/environment': '',
    'etc/waagent.conf': waagent,
    'usr/lib/systemd/system/walinuxagent.service': unit,
    'etc/apt/apt.conf.d/01autoremove': 'APT {};\n',
  },
  Ubuntu: {
    'etc/environment': 'PATH="/usr/local/sbin:/usr/bin"\nhttps_proxy=http://old.example:8080\n',
    'etc/waagent.conf': waagent.replaceAll('\n', '\r\n'),
    'lib/systemd/system/walinuxagent.service': unit,
    'etc/apt/apt.conf.d/01autoremove': 'APT {};\n',
  },
  RHEL: {
    'etc/environment': '',
    'etc/waagent.conf': 'HttpProxy.Host=old.example\nHttpProxy.Port=8080\nHttpProxy.Host=twice.example\n',
    'usr/lib/systemd/system/waagent.service': unit,
    'etc/dnf/dnf.conf': '[main]\ngpgcheck=1\nproxy = http://old.example:8080\n[other]\nx=1',
  },
  SLES: {
    'etc/environment': '# none\n',
    'etc/waagent.conf': waagent,
    'usr/lib/systemd/system/waagent.service': unit,
    'etc/sysconfig/proxy': 'PROXY_ENABLED="no"\n## Type: string\nHTTP_PROXY=""\nHTTPS_PROXY=""\nNO_PROXY="localhost"\n',
  },
};

function plant(family: string): TempFolder {
  const root = createTempFolder();
  for (const [name, text] of Object.entries(families[family] ?? {})) root.write(name, text);
  mkdirSync(join(root.path, 'etc/systemd/system'), { recursive: true });
  chmodSync(join(root.path, 'etc/waagent.conf'), 0o640);
  return root;
}

/** Every file by its name, with what it holds; the script's own notes left out. */
function contents({ path }: TempFolder): Readonly<Record<string, string>> {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = files.map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1));
  const kept = names.filter((name) => !name.startsWith('var/')).toSorted();
  return Object.fromEntries(kept.map((name) => [name, readFileSync(join(path, name), 'latin1')]));
}

const dropIn = (name: string): string => `etc/systemd/system/${name}.service.d/90-lockdown-proxy.conf`;
const variables = [`http_proxy=${url}`, `https_proxy=${url}`, `no_proxy=${direct}`];

describe.each(Object.keys(families))('on %s', (family) => {
  test('all is set, a second run changes nothing, and it is taken back byte for byte', () => {
    using root = plant(family);
    const before = contents(root);
    const first = run(root);
    expect(first).toMatchObject({ status: 0, told: '' });
    const after = contents(root);

    const lines = (name: string): readonly string[] => (after[name] ?? '').split(/\r?\n/);
    expect(lines('etc/waagent.conf').filter((line) => line.startsWith('HttpProxy.'))).toEqual([
      'HttpProxy.Host=10.0.0.5',
      'HttpProxy.Port=3128',
    ]);
    expect(
      lines('etc/environment')
        .filter((line) => /proxy=/.test(line))
        .toSorted(),
    ).toEqual(variables);
    const service = family === 'Debian' || family === 'Ubuntu' ? 'walinuxagent' : 'waagent';
    expect(lines(dropIn(service)).slice(1, -1)).toEqual([
      '[Service]',
      ...variables.map((line) => `Environment="${line}"`),
    ]);
    expect(statSync(join(root.path, 'etc/waagent.conf')).mode & 0o777).toBe(0o640);
    expect(statSync(join(root.path, dropIn(service))).mode & 0o777).toBe(0o644);
    if (service === 'walinuxagent') {
      expect(lines('etc/apt/apt.conf.d/90lockdown-proxy').slice(1, -1)).toEqual([
        `Acquire::http::Proxy "${url}";`,
        `Acquire::https::Proxy "${url}";`,
      ]);
    }
    if (family === 'RHEL') {
      expect(lines('etc/dnf/dnf.conf')).toEqual(['[main]', 'gpgcheck=1', `proxy=${url}`, '[other]', 'x=1', '']);
    }
    if (family === 'SLES') {
      const wanted = ['PROXY_ENABLED="yes"', `HTTP_PROXY="${url}"`, `HTTPS_PROXY="${url}"`, `NO_PROXY="${direct}"`];
      expect(lines('etc/sysconfig/proxy').filter((line) => line.includes('='))).toEqual(wanted);
    }
    if (family === 'Ubuntu') expect(after['etc/waagent.conf']?.match(/[^\r]\n/g)).toBeNull();
    // What is changed was said before, and nothing else was.
    const touched = Object.keys(after).filter((name) => after[name] !== before[name]);
    const said = first.out.split('\n').filter((line) => line.startsWith(changed));
    const named = said.map((line) => line.slice(changed.length + 1).split(':')[0] ?? '');
    expect(new Set(named)).toEqual(new Set(touched));

    const second = run(root);
    expect(second.out).toMatch(/Nothing to change\.\n$/);
    expect(contents(root)).toEqual(after);

    expect(run(root, '--undo')).toMatchObject({ status: 0, told: '' });
    expect(contents(root)).toEqual(before);
    expect(run(root, '--undo').out).toMatch(/Nothing to change\.\n$/);
  });

  test('a dry run says the same and changes nothing, in both directions', () => {
    using root = plant(family);
    const before = contents(root);
    const dry = run(root, '--dry-run');
    expect(contents(root)).toEqual(before);
    expect(existsSync(join(root.path, 'var'))).toBe(false);
    const said = (text: string) => text.split('\n').filter((line) => line.startsWith('  '));
    expect(said(run(root).out)).toEqual(said(dry.out));
    const after = contents(root);
    expect(run(root, '--undo', '--dry-run').out).toContain('  will restore     /etc/waagent.conf, byte for byte\n');
    expect(contents(root)).toEqual(after);
  });
});

test('what others change meanwhile stays, with a later run between or without, and what was there comes back', () => {
  for (const isRunAgain of [false, true]) {
    using root = plant('RHEL');
    run(root);
    root.write('etc/waagent.conf', `${root.read('etc/waagent.conf')}Logs.Verbose=y\n`);
    root.write('etc/environment', `LANG=C\n${root.read('etc/environment')}`);
    if (isRunAgain) expect(run(root, '--for', 'all').status).toBe(0);
    expect(run(root, '--undo').status).toBe(0);
    expect(root.read('etc/environment')).toBe('LANG=C\n');
    const left = root.read('etc/waagent.conf').split('\n');
    expect(left).toContain('Logs.Verbose=y');
    expect(left).toContain('HttpProxy.Port=8080');
    expect(left.join()).not.toContain('10.0.0.5');
  }
});

test('a run that was interrupted is completed by the next, and can be taken back', () => {
  using root = plant('Debian');
  const before = contents(root);
  run(root);
  const after = contents(root);
  // As if it had ended behind the first file: the others are as they were, and nothing is noted of them.
  for (const name of ['etc/environment', 'etc/waagent.conf']) root.write(name, before[name] ?? '');
  expect(run(root).status).toBe(0);
  expect(contents(root)).toEqual(after);
  expect(run(root, '--undo').status).toBe(0);
  expect(contents(root)).toEqual(before);
});

test.each(['run', 'undo'])('a file whose writing was cut off is whole again after the next %s', (next) => {
  using root = plant('Ubuntu');
  const before = contents(root);
  run(root);
  const after = contents(root);
  // As a machine leaves it that lost power in the middle of the write.
  root.write('etc/waagent.conf', (before['etc/waagent.conf'] ?? '').slice(0, 20));
  root.write('var/lib/lockdown-proxy-client/files/etc/waagent.conf/writing', '');
  if (next === 'run') {
    expect(run(root).status).toBe(0);
    expect(contents(root)).toEqual(after);
  }
  expect(run(root, '--undo').status).toBe(0);
  expect(contents(root)).toEqual(before);
});

test.skipIf(process.getuid?.() !== 0)(
  'where one file or one folder cannot be written nothing is changed at all',
  () => {
    using root = plant('Debian');
    const before = contents(root);
    chmodSync(root.path, 0o755);
    const asNobody = (): ReturnType<typeof spawnSync> =>
      spawnSync('sh', ['-s', '--', '--root', root.path], { input: script, encoding: 'utf8', uid: 65_534, gid: 65_534 });
    for (const name of ['etc/environment', 'etc/waagent.conf']) chmodSync(join(root.path, name), 0o666);
    mkdirSync(join(root.path, 'var'));
    chmodSync(join(root.path, 'var'), 0o777);
    for (const name of ['etc', 'etc/systemd', 'etc/systemd/system']) chmodSync(join(root.path, name), 0o777);
    const { status, stderr } = asNobody();
    expect(status).toBe(1);
    expect(stderr).toBe('linux.sh: /etc/apt/apt.conf.d/90lockdown-proxy cannot be written; nothing was changed\n');
    expect(contents(root)).toEqual(before);
  },
);

test('links stay links, and an alias of the agent’s unit gets no drop-in of its own', () => {
  using root = plant('Ubuntu');
  root.write('etc/real.conf', waagent);
  mkdirSync(join(root.path, 'etc/links'));
  symlinkSync('walinuxagent.service', join(root.path, 'lib/systemd/system/waagent.service'));
  symlinkSync('../real.conf', join(root.path, 'etc/links/waagent.conf'));
  expect(run(root).status).toBe(0);
  expect(existsSync(join(root.path, dropIn('waagent')))).toBe(false);
  expect(existsSync(join(root.path, dropIn('walinuxagent')))).toBe(true);
  expect(lstatSync(join(root.path, 'etc/links/waagent.conf')).isSymbolicLink()).toBe(true);
});

test('only what is asked for is changed', () => {
  using root = plant('Debian');
  const before = contents(root);
  expect(run(root, '--for', 'sql,mars').out).toContain('sql,mars: nothing on Linux\nNothing to change.\n');
  expect(contents(root)).toEqual(before);
  expect(run(root, '--for=updates').status).toBe(0);
  const touched = Object.keys(contents(root)).filter((name) => contents(root)[name] !== before[name]);
  expect(touched).toEqual(['etc/apt/apt.conf.d/90lockdown-proxy']);
});

test('a machine without the agent and without a package manager is told so', () => {
  using root = createTempFolder();
  const { out, status } = run(root);
  expect(status).toBe(0);
  expect(out).toContain('  not here         /etc/waagent.conf: the Azure agent is not installed\n');
  expect(out).toContain('  not here         the unit walinuxagent or waagent');
  expect(out).toContain('  not here         apt, dnf, yum or zypper\n');
});

test.each([
  [['--frobnicate'], 2, 'linux.sh: unknown argument: --frobnicate\nusage: '],
  [['--for', 'agent,backup'], 2, 'linux.sh: --for: backup is none of agent, updates, sql, mars, all\n'],
  [['--for'], 2, 'linux.sh: --for: name what is to go through the proxy'],
])('%j is wrong usage', (options, status, told) => {
  using root = plant('Debian');
  const before = contents(root);
  const done = run(root, ...options);
  expect(done.status).toBe(status);
  expect(done.told.slice(0, told.length)).toBe(told);
  expect(contents(root)).toEqual(before);
});

test('the template itself, with no proxy filled in, does nothing', () => {
  const template = readFileSync(join(import.meta.dirname, '../../../src/cli/client-config/linux.sh'), 'utf8');
  using root = plant('Debian');
  const done = spawnSync('sh', ['-s', '--', '--root', root.path], { input: template, encoding: 'utf8' });
  expect(done.stderr).toContain('linux.sh: ');
  expect(done.status).toBe(2);
});

test('the options of the command become those of the script', () => {
  using root = plant('Debian');
  const given = ['--proxy', 'http://egress.contoso.example:8080/', '--no-proxy', '.contoso.example,10.0.0.9'];
  const dry = print(...given, '--for', 'updates', '--dry-run').stdout;
  const { stdout } = spawnSync('sh', ['-s', '--', '--root', root.path], { input: dry, encoding: 'utf8' });
  expect(stdout).toContain(`http://egress.contoso.example:8080, but for ${direct},.contoso.example,10.0.0.9:\n`);
  expect(stdout).toContain('apt through http://egress.contoso.example:8080\n');
  expect(stdout).not.toContain('waagent.conf');
  run(root);
  const undo = print('--undo').stdout;
  expect(spawnSync('sh', ['-s', '--', '--root', root.path], { input: undo, encoding: 'utf8' }).status).toBe(0);
  expect(root.read('etc/waagent.conf')).toBe(waagent);
});

test.each([
  [[], '--proxy: write HOST:PORT, such as 10.0.0.5:3128; got nothing\n'],
  [['--proxy', '10.0.0.5'], '--proxy: write HOST:PORT, such as 10.0.0.5:3128; got "10.0.0.5"\n'],
  [['--proxy', "10.0.0.5:3128'; reboot #"], '--proxy: write HOST:PORT'],
  [
    ['--proxy', '10.0.0.5:3128', '--for', 'everything'],
    '--for: "everything" is none of agent, updates, sql, mars, all\n',
  ],
  [['--proxy', '10.0.0.5:3128', '--no-proxy', "a'b"], '--no-proxy: "a\'b" is no name, .suffix or address\n'],
])('%j prints no script', (options, told) => {
  const { stdout, stderr, status } = print(...options);
  expect([stdout, status]).toEqual(['', 2]);
  expect(stderr.slice(0, told.length)).toBe(told);
});
