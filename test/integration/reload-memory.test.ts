/** An old snapshot lives as long as an exchange needs it, and no longer. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

test('a snapshot is held by the tunnel that it let in, and freed once that has ended', () => {
  const script = resolve(import.meta.dirname, '../support/snapshot-life.ts');
  const out = execFileSync(process.execPath, ['--disable-warning=DEP0060', '--expose-gc', script], {
    encoding: 'utf8',
  });
  expect(JSON.parse(out)).toEqual({ whileOpen: false, afterwards: true });
});
