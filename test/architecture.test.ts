/** The house as src/README.md describes it: floors, owners of packages, purity, sizes and names. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const source = join(root, 'src');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>;
};

/** From the ground up: a file imports its own floor or a lower one, for types as well. */
const floors = [
  'errors',
  'address',
  'message',
  'policy',
  'config',
  'state',
  'proxy',
  'observe',
  'workers',
  'app',
  'cli',
];
const roof = ['main', 'lockdown-proxy'];
const pureFloors = floors.slice(0, floors.indexOf('state'));

/** The one file that may import a package; everything else goes through it. */
const owners: Readonly<Record<string, string>> = {
  'ipaddr.js': 'address/ip.ts',
  undici: 'state/http-get.ts',
  'http-proxy': 'proxy/fence.ts',
  pino: 'observe/logger.ts',
  zod: 'config/config.ts',
  yaml: 'config/document.ts',
  bcryptjs: 'state/password-bcrypt.ts',
  commander: 'cli/program.ts',
  'fastest-levenshtein': 'policy/nearest.ts',
  saxes: 'policy/ranges/legacy-xml.ts',
  'prom-client': 'observe/metrics.ts',
  uplot: 'observe/status/page-files.ts',
};

/** What a pure floor may take from the platform: computing, no sockets, files, clocks or environment. */
const pureModules = new Set(['node:buffer', 'node:crypto', 'node:path', 'node:url', 'node:util']);
const impure = [
  /\b(?:process|performance|console)\./,
  /\bDate\.now\b|\bnew Date\(\s*\)/,
  /\b(?:fetch|queueMicrotask|set(?:Timeout|Interval|Immediate))\(/,
  /\bMath\.random\b|\brandom(?:UUID|Bytes|Int)\b/,
];
/** Bindings of a module that can change while it lives. */
const mutable = [
  /^(?:export )?(?:let|var)\s/m,
  /^(?:export )?const [^=\n]+ = new (?:Map|Set|WeakMap|WeakSet)\b[^(\n]*\(\s*\)/m,
];

interface SourceFile {
  /** Relative to src/, with forward slashes. */
  readonly path: string;
  readonly floor: string;
  /** Without comments, so that prose may name what code may not. */
  readonly code: string;
  readonly imports: readonly string[];
}

function listFiles(folder: string, under = ''): string[] {
  return readdirSync(join(folder, under), { withFileTypes: true })
    .flatMap((entry) => {
      const path = under === '' ? entry.name : `${under}/${entry.name}`;
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : listFiles(folder, path);
      return [path];
    })
    .sort();
}

function stripComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|[\s;{}()])\/\/.*$/gm, '$1');
}

function readSource(path: string): SourceFile {
  const code = stripComments(readFileSync(join(source, path), 'utf8'));
  const imports = [
    ...code.matchAll(/^(?:import|export)\s(?:[^'";]*?\sfrom\s)?\s*['"]([^'"]+)['"]/gm),
    ...code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g),
  ].map((match) => match[1] ?? '');
  const [first = ''] = path.split('/');
  return { path, floor: basename(first, extname(first)), code, imports };
}

const isCode = (path: string): boolean => /\.(?:ts|js|py)$/.test(path);
const files = listFiles(source).filter(isCode).map(readSource);
const heightOf = (floor: string): number => (roof.includes(floor) ? floors.length : floors.indexOf(floor));

/** The floor an import lands on, or null when it leaves src/. */
function floorOf(from: SourceFile, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  const [first = ''] = relative(source, resolve(source, dirname(from.path), specifier)).split(/[\\/]/);
  return basename(first, extname(first));
}

describe('the floors', () => {
  it('holds every source file on a known floor', () => {
    expect(files.filter((file) => heightOf(file.floor) < 0).map((file) => file.path)).toEqual([]);
    expect(files.length).toBeGreaterThan(0);
  });

  it('imports go down only, types included', () => {
    const upward = files.flatMap((file) =>
      file.imports
        .filter((specifier) => {
          const floor = floorOf(file, specifier);
          if (floor === null) return false;
          const [here, there] = [heightOf(file.floor), heightOf(floor)];
          return there < 0 || there > here || (there === here && floor !== file.floor);
        })
        .map((specifier) => `${file.path} imports ${specifier}`),
    );
    expect(upward).toEqual([]);
  });

  it('reads imports of every spelling', () => {
    const found = files.flatMap((file) => file.imports.filter((specifier) => specifier.startsWith('.')));
    const mentioned = files.flatMap((file) => file.code.match(/['"]\.{1,2}\/[^'"\s]+\.(?:ts|js)['"]/g) ?? []);
    expect(found.length).toBe(mentioned.length);
  });

  it('imports each package in one file, and every package has its owner', () => {
    const astray = files.flatMap((file) =>
      file.imports
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .filter((specifier) => owners[specifier] !== file.path)
        .map((specifier) => `${file.path} imports ${specifier}`),
    );
    expect(astray).toEqual([]);
    expect(Object.keys(owners).sort()).toEqual(Object.keys(manifest.dependencies).sort());
  });

  it('keeps I/O, clocks, chance and the environment above the pure floors', () => {
    const offences = files
      .filter((file) => pureFloors.includes(file.floor))
      .flatMap((file) => [
        ...file.imports
          .filter((specifier) => specifier.startsWith('node:') && !pureModules.has(specifier))
          .map((specifier) => `${file.path} imports ${specifier}`),
        ...impure.filter((pattern) => pattern.test(file.code)).map((pattern) => `${file.path} has ${pattern.source}`),
      ]);
    expect(offences).toEqual([]);
  });

  it('has no state that belongs to a module', () => {
    const holders = files.filter((file) => mutable.some((pattern) => pattern.test(file.code)));
    expect(holders.map((file) => file.path)).toEqual([]);
  });

  it('ends a process at its edge only', () => {
    const enders = files.filter((file) => /\bprocess\.(?:exit|abort|reallyExit)\(/.test(file.code));
    const edges = ['main.ts', 'workers/worker-main.ts'];
    expect(enders.map((file) => file.path).filter((path) => !edges.includes(path))).toEqual([]);
  });
});

describe('the files', () => {
  it('has none over 300 lines, in src and in test', () => {
    const long = ['src', 'test'].flatMap((folder) =>
      listFiles(join(root, folder))
        .filter(isCode)
        .map((path) => ({ path, lines: readFileSync(join(root, folder, path), 'utf8').split('\n').length - 1 }))
        .filter(({ lines }) => lines > 300)
        .map(({ path, lines }) => `${folder}/${path}: ${lines}`),
    );
    expect(long).toEqual([]);
  });

  it('has no name that says nothing', () => {
    const empty = /^(?:utils?|helpers?|common|types|index|misc|managers?|services?)\.[a-z]+$/;
    const named = ['src', 'test'].flatMap((folder) =>
      listFiles(join(root, folder))
        .filter((path) => empty.test(basename(path)))
        .map((path) => `${folder}/${path}`),
    );
    expect(named).toEqual([]);
  });

  it('are exactly those that the map in src/README.md lists, each with what it is for', () => {
    const readme = readFileSync(join(source, 'README.md'), 'utf8');
    const map = /^## The map$[\s\S]*?^```\w*\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? '';
    const entries = map
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => /^\s*(\S+)\s+(\S.*)$/.exec(line)?.[1] ?? `${line}: says nothing`);
    expect(entries.sort()).toEqual(listFiles(source).filter((path) => path !== 'README.md'));
  });

  it('stand in a tree whose top level is fixed', () => {
    const fixed = new Set(
      (
        'package.json package-lock.json tsconfig.json vitest.config.ts Dockerfile ' +
        'README.md CHANGELOG.md CONTRIBUTING.md LICENSE src allowlist deploy test node_modules coverage'
      ).split(' '),
    );
    const others = readdirSync(root).filter((name) => !name.startsWith('.') && !fixed.has(name));
    expect(others).toEqual([]);
  });
});
