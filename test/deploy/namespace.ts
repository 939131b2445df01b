/** Network namespaces of a test's own: machines with addresses that this one does not have. Needs root and iproute2. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

export interface Namespace {
  readonly name: string;
  /** Runs a command in it and waits for its end. */
  run(argv: readonly string[], options?: { readonly env?: NodeJS.ProcessEnv; readonly input?: string }): Ran;
  /** Starts a command in it that goes on until the namespace is removed. */
  start(argv: readonly string[], options?: { readonly env?: NodeJS.ProcessEnv }): ChildProcess;
  /** `ip` with these words in it. @throws Error with what `ip` said */
  ip(...words: readonly string[]): void;
  /** Ends what was started, then removes it. */
  remove(): Promise<void>;
}

export interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly told: string;
}

export const canMakeNamespaces = process.getuid?.() === 0 && spawnSync('ip', ['netns', 'list']).status === 0;

let count = 0;

/** Makes one; `files` stand in its `/etc` in place of the machine's own, such as `hosts`. */
export function makeNamespace(files: Readonly<Record<string, string>> = {}): Namespace {
  const name = `lockdown-${process.pid}-${++count}`;
  const etc = join('/etc/netns', name);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(etc, { recursive: true });
    writeFileSync(join(etc, file), text);
  }
  execFileSync('ip', ['netns', 'add', name]);
  const started: ChildProcess[] = [];
  const inside = (argv: readonly string[]): string[] => ['netns', 'exec', name, ...argv];
  const namespace: Namespace = {
    name,
    run(argv, { env = process.env, input = '' } = {}) {
      const done = spawnSync('ip', inside(argv), { encoding: 'utf8', env, input });
      return { status: done.status, out: done.stdout, told: done.stderr };
    },
    start(argv, { env = process.env } = {}) {
      const child = spawn('ip', inside(argv), { stdio: ['pipe', 'pipe', 'pipe'], env });
      started.push(child);
      return child;
    },
    ip: (...words) => void execFileSync('ip', ['-n', name, ...words], { stdio: 'pipe' }),
    async remove() {
      for (const child of started) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }
      execFileSync('ip', ['netns', 'delete', name]);
      rmSync(etc, { recursive: true, force: true });
    },
  };
  namespace.ip('link', 'set', 'lo', 'up');
  return namespace;
}

/** Lays a cable between two namespaces, an end with an address in each; gives the names of the ends. */
export function connectNamespaces(
  a: Namespace,
  addressA: string,
  b: Namespace,
  addressB: string,
): readonly [string, string] {
  const ends = [`veth${++count}a`, `veth${count}b`] as const;
  execFileSync('ip', ['-n', a.name, 'link', 'add', ends[0], 'type', 'veth', 'peer', 'name', ends[1], 'netns', b.name]);
  for (const [at, address, end] of [
    [a, addressA, ends[0]],
    [b, addressB, ends[1]],
  ] as const) {
    at.ip('address', 'add', address, 'dev', end);
    at.ip('link', 'set', end, 'up');
  }
  return ends;
}

/** Waits until a child has said a text. @throws Error with what it said instead */
export async function untilSaid(child: ChildProcess, text: string): Promise<void> {
  let said = '';
  await new Promise<void>((done, fail) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes(text)) done();
      });
    }
    child.once('exit', () => fail(new Error(`ended before it said ${text}: ${said}`)));
  });
}
