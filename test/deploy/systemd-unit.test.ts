/** The systemd unit as systemd itself reads it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const units = resolve(import.meta.dirname, '../../deploy/systemd');
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
if (!hasSystemd) console.warn('skipped: the systemd units need systemd-analyze');

test.runIf(hasSystemd)('the sandbox of the service leaves an exposure of at most 1.5', () => {
  const said = execFileSync('systemd-analyze', ['security', '--offline=yes', join(units, 'lockdown-proxy.service')], {
    encoding: 'utf8',
  });
  const exposure = /Overall exposure level for \S+: ([\d.]+)/.exec(said)?.[1];
  expect(Number(exposure)).toBeLessThanOrEqual(1.5);
});
