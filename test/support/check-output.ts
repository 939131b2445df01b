/** Around a whole run of tests: everything that proxies said in it is looked through for secrets once it is over. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { outputVariable } from './output.ts';
import { secretsIn } from './secrets.ts';

let folder = '';

/** Makes the folder for what is said; called before the first test. */
export function setup(): void {
  folder = mkdtempSync(join(tmpdir(), 'lockdown-proxy-output-'));
  process.env[outputVariable] = folder;
}

/** Fails the run where a secret was said; called after the last test. */
export function teardown(): void {
  try {
    checkOutput(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @throws Error that names each secret with the lines it stands in */
export function checkOutput(path: string): void {
  const found = readdirSync(path).flatMap((name) => {
    const text = readFileSync(join(path, name), 'latin1');
    return text.split('\n').filter((line) => secretsIn(line).length > 0);
  });
  if (found.length > 0) throw new Error(`a secret in what a proxy said:\n${[...new Set(found)].join('\n')}`);
}
