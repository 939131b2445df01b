/** The files of a configuration as one reading found them, so that what was judged, kept and watched is the same text. */
import { readFileSync } from 'node:fs';

export interface SourceFiles {
  /** Reads a file as UTF-8 and remembers it. @throws what the system says */
  readonly readFile: (path: string) => string;
  /** What was asked for, in order: the text of each file, null where it could not be read. */
  readonly texts: ReadonlyMap<string, string | null>;
}

/** Begins a reading; each file is read from disk once, however often it is asked for. */
export function readSources(read: (path: string) => string = (path) => readFileSync(path, 'utf8')): SourceFiles {
  const texts = new Map<string, string | null>();
  return {
    texts,
    readFile(path) {
      const known = texts.get(path);
      if (typeof known === 'string') return known;
      texts.set(path, null);
      const text = read(path);
      texts.set(path, text);
      return text;
    },
  };
}
