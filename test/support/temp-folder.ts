/** A folder of a test's own that is gone when the test ends. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { keepOutput } from './output.ts';

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
  const given = new Set<string>();
  const remove = (): void => {
    for (const file of filesIn(path)) if (!given.has(file)) keepOutput(readFileSync(file));
    rmSync(path, { recursive: true, force: true });
  };
  return {
    path,
    write(name, content) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      given.add(file);
      return file;
    },
    read: (name) => readFileSync(join(path, name), 'utf8'),
    remove,
    [Symbol.dispose]: remove,
  };
}

/** What a test takes for a log at most, in bytes; what is larger is data that went through, not something said. */
const maxSaidBytes = 1_048_576;

function filesIn(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => statSync(file).size <= maxSaidBytes);
}
