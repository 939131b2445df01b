/** The program as Node itself runs it: no bundler, no transform, started the ways that users start it. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { SpawnSyncReturns } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createTempFolder } from './support/temp-folder.ts';
import type { TempFolder } from './support/temp-folder.ts';

const root = resolve(import.meta.dirname, '..');
const bin = join(root, 'src/lockdown-proxy.js');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  readonly packages: Readonly<Record<string, { readonly version: string }>>;
};

const platform = process.platform === 'win32' ? 'win' : process.platform;
const runtime = `node-${platform}-${process.arch}`;
const runtimeFolder = dirname(createRequire(import.meta.url).resolve(`${runtime}/package.json`));

/** What the launcher starts in these tests in place of the product: says how it was started, then does as it is told. */
const standIn = `
  const [task, value]: string[] = process.argv.slice(2);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const) {
    process.on(signal, () => { process.stdout.write(signal + ' '); if (signal === 'SIGTERM') process.exit(9); });
  }
  if (task === 'exit') process.exit(Number(value));
  if (task === 'die') process.kill(process.pid, 'SIGKILL');
  if (task === 'wait') { setInterval(() => {}, 60_000); process.stdout.write('ready'); }
  else
  process.stdout.write(JSON.stringify({ version: process.version, flags: process.execArgv, rest: process.argv.slice(2) }) + '\\n');
`;

/** A project of its own with the launcher and the stand-in; with or without the pinned Node. */
function createProject(pinned: boolean): TempFolder {
  const folder = createTempFolder();
  folder.write('package.json', '{"type":"module"}');
  folder.write('src/main.ts', standIn);
  copyFileSync(bin, join(folder.path, 'src/lockdown-proxy.js'));
  mkdirSync(join(folder.path, 'node_modules'));
  if (pinned) symlinkSync(runtimeFolder, join(folder.path, 'node_modules', runtime));
  return folder;
}

/** Flags that turn this Node into an older one, as far as the launcher looks. */
const disguise = (script: string): string[] => ['--import', `data:text/javascript,${encodeURIComponent(script)}`];
const waysToStart = [
  { name: 'where a process can become another', flags: [] },
  { name: 'where it has to wait for a child', flags: disguise('process.execve = undefined') },
];

function launch(folder: TempFolder, flags: readonly string[], argv: readonly string[]): SpawnSyncReturns<string> {
  const file = join(folder.path, 'src/lockdown-proxy.js');
  return spawnSync(process.execPath, [...flags, file, ...argv], { encoding: 'utf8' });
}

describe('the program under plain Node', () => {
  it('has only types that Node can strip', () => {
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((f) =>
      f.endsWith('.ts'),
    );
    const refused = files.filter((file) => {
      try {
        stripTypeScriptTypes(readFileSync(join(root, 'src', file), 'utf8'));
        return false;
      } catch {
        return true;
      }
    });
    expect(refused).toEqual([]);
  });

  it('starts as it is and tells its version and the runtime it pins', () => {
    const output = execFileSync(join(runtimeFolder, 'bin/node'), [join(root, 'src/main.ts'), 'version'], {
      encoding: 'utf8',
    });
    expect(output).toContain(manifest.version);
    expect(output).toContain(lock.packages[`node_modules/${runtime}`]?.version);
  });

  it.each(waysToStart)('answers through its command without a warning, $name', ({ flags }) => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, bin, 'version'], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(manifest.version);
  });
});

/** What Node is told before the program, the same wherever it is started. */
const nodeFlags = [
  '--disable-warning=DEP0060',
  '--disable-sigusr1',
  '--max-semi-space-size=8',
  '--no-parallel-scavenge',
];

it.each(['deploy/systemd/lockdown-proxy.service', 'deploy/deb/command'])('%s gives Node the same flags', (file) => {
  const flags = /bin\/node"? (.*?) \S*src\/main\.ts/.exec(readFileSync(join(root, file), 'utf8'))?.[1];
  expect(flags?.split(' ')).toEqual(nodeFlags);
});

describe.each(waysToStart)('the command, $name', ({ flags }) => {
  it('runs main.ts on the pinned Node with its flags and passes arguments on', () => {
    using folder = createProject(true);
    const { stdout, stderr, status } = launch(folder, flags, ['serve', '--config', 'a b']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      version: `v${lock.packages[`node_modules/${runtime}`]?.version}`,
      flags: nodeFlags,
      rest: ['serve', '--config', 'a b'],
    });
  });

  it('keeps its compiled code beside the project, for a quick next start', () => {
    using folder = createProject(true);
    launch(folder, flags, []);
    expect(existsSync(join(folder.path, 'node_modules/.cache/lockdown-proxy'))).toBe(true);
  });

  it('ends with the exit code of the program', () => {
    using folder = createProject(true);
    expect(launch(folder, flags, ['exit', '3']).status).toBe(3);
  });

  it('dies by the signal that the program died of', () => {
    using folder = createProject(true);
    expect(launch(folder, flags, ['die']).signal).toBe('SIGKILL');
  });

  it('passes each signal to the program once', async () => {
    using folder = createProject(true);
    const argv = [...flags, join(folder.path, 'src/lockdown-proxy.js'), 'wait'];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    const chunks = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]();
    let output = '';
    const seen = async (text: string): Promise<void> => {
      while (!output.includes(text)) {
        const { value, done } = await chunks.next();
        if (done === true) throw new Error(`ended after ${output}`);
        output += String(value);
      }
    };
    await seen('ready');
    output = '';
    for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGINT', 'SIGTERM'] as const) {
      child.kill(signal);
      await seen(signal);
    }
    expect(output).toBe('SIGHUP SIGUSR2 SIGINT SIGTERM ');
    expect(await exited).toEqual([9, null]);
  });

  it('runs on the Node at hand when that is new enough and none is pinned', () => {
    using folder = createProject(false);
    expect(JSON.parse(launch(folder, flags, []).stdout)).toMatchObject({ version: process.version });
  });

  it('says what it needs when no Node is new enough', () => {
    using folder = createProject(false);
    const old = disguise("Object.defineProperty(process.versions, 'node', { value: '20.20.2' })");
    const { status, stdout, stderr } = launch(folder, [...flags, ...old], ['serve']);
    expect({ status, stdout }).toEqual({ status: 126, stdout: '' });
    expect(stderr).toMatch(/^lockdown-proxy: needs Node 24 or newer.*npm ci/);
  });
});
