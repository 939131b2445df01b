/** Everything that proxies under test say, kept for one look at the end of the run: `check-output.ts` takes it. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

/** The environment variable that names the folder; without it nothing is kept. */
export const outputVariable = 'LOCKDOWN_PROXY_TEST_OUTPUT';

/** Whether anything is kept: a benchmark is not to pay for what nobody looks at. */
export const keepsOutput = (): boolean => process.env[outputVariable] !== undefined;

/** Keeps what a proxy said, wherever it said it: logs, answers to clients, reports of commands, files it wrote. */
export function keepOutput(text: string | Uint8Array): void {
  const folder = process.env[outputVariable];
  if (folder === undefined) return;
  appendFileSync(join(folder, String(process.pid)), text);
  appendFileSync(join(folder, String(process.pid)), '\n');
}
