/** Around a run of these tests: a folder for what several of them use, gone when the run is over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

let folder = '';

export function setup(): void {
  folder = mkdtempSync(join(tmpdir(), 'lockdown-proxy-deploy-'));
  process.env['LOCKDOWN_PROXY_DEPLOY_SCRATCH'] = folder;
}

export function teardown(): void {
  rmSync(folder, { recursive: true, force: true });
}
