/** A folder of a test's own that is gone when the test ends. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface TempFolder extends Disposable {
  readonly path: string;
  /** Writes a file, makes the folders above it, and gives its absolute path. */
  write(name: string, content: string | Uint8Array): string;
  read(name: string): string;
  remove(): void;
}

/** Makes an empty folder: `using folder = createTempFolder()`, or `remove()` it in an `afterAll`. */
export function createTempFolder(): TempFolder {
  const path = mkdtempSync(join(tmpdir(), 'lockdown-proxy-test-'));
  const remove = (): void => rmSync(path, { recursive: true, force: true });
  return {
    path,
    write(name, content) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      return file;
    },
    read: (name) => readFileSync(join(path, name), 'utf8'),
    remove,
    [Symbol.dispose]: remove,
  };
}
