/** Around a whole run of tests: everything that proxies said in it is looked through for secrets once it is over. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { outputVariable } from './output.ts';
import { secretsIn } from './secrets.ts';

/** Makes the folder for what is said; the function that it gives fails the run where a secret was. */
export default function keepRunOutput(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'lockdown-proxy-output-'));
  process.env[outputVariable] = folder;
  return () => {
    delete process.env[outputVariable];
    try {
      checkOutput(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

/** @throws Error that names each secret with the lines it stands in */
export function checkOutput(folder: string): void {
  const found = readdirSync(folder).flatMap((name) => {
    const text = readFileSync(join(folder, name), 'latin1');
    return text.split('\n').filter((line) => secretsIn(line).length > 0);
  });
  if (found.length > 0) throw new Error(`a secret in what a proxy said:\n${[...new Set(found)].join('\n')}`);
}
