/** The program as an operator has it: a process, its files, its signals, its control socket, and what it says. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { askProxy } from '../../src/observe/control-ask.ts';
import { keepOutput } from './output.ts';
import { createTempFolder } from './temp-folder.ts';
import type { TempFolder } from './temp-folder.ts';

/** One line of the service or access log. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface OperatedOptions {
  /** The configuration behind the keys that every test has. */
  readonly config?: string;
  readonly rules?: readonly string[];
  readonly folder?: TempFolder;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface OperatedProxy extends AsyncDisposable {
  readonly folder: TempFolder;
  readonly port: number;
  /** Everything it has said on standard error, as it came. */
  readonly errors: string;
  /** Access lines so far. */
  readonly records: readonly LogLine[];
  /** Waits for a line of the service log with this event, the one of that index (from 0). */
  said(event: string, index?: number): Promise<LogLine>;
  /** Waits for the access line of that index (from 0). */
  record(index?: number): Promise<LogLine>;
  signal(signal: NodeJS.Signals): void;
  /** Asks over the control socket, as the commands do. */
  ask(command: string, ...args: readonly string[]): Promise<unknown>;
  /** Runs another command against it. */
  command(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly told: string }>;
  writeRules(...rules: readonly string[]): void;
  writeConfig(config: string): void;
  /** Resolves with its exit code or signal. */
  readonly exited: Promise<number | string>;
}

const root = resolve(import.meta.dirname, '../..');
export const programArgs = ['--disable-warning=DEP0060', join(root, 'src/main.ts')];

/** Writes configuration and rules into a folder; loopback may be reached, and what flows need not be TLS. */
export function writeSettings(folder: TempFolder, config: string, rules: readonly string[]): void {
  const fixed = [
    'listen: ["127.0.0.1:0"]',
    'admin: { listen: "127.0.0.1:0" }',
    'cloud: public',
    'allowlist: ["./rules.txt"]',
    'privateDestinations: ["127.0.0.0/8"]',
    'tlsServerName: off',
    'ranges: { source: "./ranges.json", cacheDir: "./cache" }',
    // One process unless a test is about several.
    ...(/^workers:/m.test(config) ? [] : ['workers: 1']),
  ];
  folder.write('config.yaml', `${fixed.join('\n')}\n${config}\n`);
  folder.write('rules.txt', `# rules\n${rules.map((rule) => `${rule}\n`).join('')}`);
}

/** Starts `serve` and waits until it serves. */
export async function operateProxy(options: OperatedOptions = {}): Promise<OperatedProxy> {
  const folder = options.folder ?? createTempFolder();
  if (!options.folder) writeSettings(folder, options.config ?? '', options.rules ?? []);
  const file = join(folder.path, 'config.yaml');
  const env = { ...process.env, LOCKDOWN_PROXY_CONTROL: join(folder.path, 'control.sock'), ...options.env };
  const argv = [...programArgs, 'serve', '--config', file, ...(options.args ?? [])];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  let errors = '';
  const lines = { out: [] as LogLine[], err: [] as LogLine[] };
  const waiting = new Set<() => void>();
  const collect = (stream: NodeJS.ReadableStream, into: LogLine[], onText: (text: string) => void) => {
    let rest = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      onText(text);
      const whole = (rest + text).split('\n');
      rest = whole.pop() ?? '';
      for (const line of whole) if (line.startsWith('{')) into.push(JSON.parse(line) as LogLine);
      for (const check of waiting) check();
    });
  };
  collect(child.stdout, lines.out, keepOutput);
  collect(child.stderr, lines.err, (text) => {
    keepOutput(text);
    errors += text;
  });
  const line = (find: () => LogLine | undefined): Promise<LogLine> =>
    new Promise((done, fail) => {
      const check = (): void => {
        const found = find();
        if (found === undefined) return;
        waiting.delete(check);
        done(found);
      };
      waiting.add(check);
      check();
      void exited.then((code) => fail(new Error(`ended with ${code}: ${errors}`)));
    });
  const said = (event: string, index = 0) => line(() => lines.err.filter((entry) => entry['event'] === event)[index]);
  const [listen = ''] = (await said('started'))['listen'] as readonly string[];
  return {
    folder,
    port: Number(listen.split(':').at(-1)),
    get errors() {
      return errors;
    },
    records: lines.out,
    said,
    record: (index = 0) => line(() => lines.out[index]),
    signal: (signal) => void child.kill(signal),
    async ask(command, ...args) {
      const answer = await askProxy(join(folder.path, 'control.sock'), command, args);
      keepOutput(JSON.stringify(answer));
      return answer;
    },
    command: (...args) =>
      new Promise((done) => {
        execFile(process.execPath, [...programArgs, '--config', file, ...args], { env }, (error, out, told) => {
          keepOutput(out + told);
          done({ code: error === null ? 0 : Number(error.code), out, told });
        });
      }),
    writeRules: (...rules) => folder.write('rules.txt', `# rules\n${rules.map((rule) => `${rule}\n`).join('')}`),
    writeConfig: (config) => writeSettings(folder, config, []),
    exited,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      if (!options.folder) folder.remove();
    },
  };
}
