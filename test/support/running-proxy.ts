/** The program itself as a child process, its output kept: what reaches the end of a process is seen only there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { keepOutput } from './output.ts';
import { createTempFolder } from './temp-folder.ts';

export interface RunningProxy extends AsyncDisposable {
  readonly port: number;
  /** The access log so far. */
  readonly output: string;
  /** The service log so far, with whatever Node has to say. */
  readonly errors: string;
  /** Asks it to stop, and gives its exit code or signal. */
  stop(): Promise<number | string>;
}

/** As the launcher starts it: the one deprecation of a package that is known stays unsaid. */
const flags = ['--disable-warning=DEP0060'];

/**
 * Starts `serve` with a configuration (without `listen`, `cloud`, `allowlist` and `ranges`) and rules; loopback may reach it.
 * `beforehand` is a module that runs first.
 */
export async function runProxy(config: string, rules: readonly string[], beforehand = ''): Promise<RunningProxy> {
  const folder = createTempFolder();
  folder.write('rules.txt', `${rules.join('\n')}\n`);
  const fixed = [
    'listen: ["127.0.0.1:0"]',
    'admin: { listen: "127.0.0.1:0" }',
    'cloud: public',
    'allowlist: ["./rules.txt"]',
    // Nothing is asked of the network.
    'ranges: { source: "./ranges.json", cacheDir: "./cache" }',
    'workers: 1',
  ];
  const file = folder.write('config.yaml', `${fixed.join('\n')}\n${config}\n`);
  const main = join(resolve(import.meta.dirname, '../..'), 'src/main.ts');
  const first = beforehand === '' ? [] : ['--import', `data:text/javascript,${encodeURIComponent(beforehand)}`];
  const child = spawn(process.execPath, [...flags, ...first, main, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string);
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    keepOutput(text);
    output += text;
  });
  const started = Promise.withResolvers<number>();
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    keepOutput(text);
    errors += text;
    const port = /"listen":\["127\.0\.0\.1:(\d+)"\]/.exec(errors)?.[1];
    if (port !== undefined) started.resolve(Number(port));
  });
  void exited.then((code) => started.reject(new Error(`ended with ${code} before it served: ${errors}`)));
  const port = await started.promise;
  return {
    port,
    get output() {
      return output;
    },
    get errors() {
      return errors;
    },
    async stop() {
      child.kill('SIGTERM');
      return exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      folder.remove();
    },
  };
}
