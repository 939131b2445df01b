/**
 * What the configuration describes and no part does yet. Setting one of these is a fault, for a key that is
 * ignored would leave its writer with a proxy other than the one configured. Each part deletes its lines.
 */
import type { WrittenConfig } from './config.ts';
import { readConfig } from './config.ts';

/** A key, by its path (`*` stands for every entry of a list), and what it waits for. */
interface Unavailable {
  readonly path: readonly string[];
  readonly waitsFor: string;
  /** Values beside the default that change nothing. */
  readonly harmless?: readonly unknown[];
}

const unavailable: readonly Unavailable[] = [];

/** The keys that are set to other than their default although the part they wait for is not there. */
export function findUnavailable(
  config: WrittenConfig,
): readonly { path: readonly (string | number)[]; message: string }[] {
  const defaults = readConfig({}).config;
  return unavailable.flatMap(({ path, waitsFor, harmless = [] }) => {
    const [standard] = valuesAt(defaults, path);
    const passing = [standard?.value, ...harmless].map((value) => JSON.stringify(value));
    return valuesAt(config, path)
      .filter(({ value }) => !passing.includes(JSON.stringify(value)))
      .map((found) => ({
        path: found.path,
        message: `\`${found.path.join('.')}\` is not available yet: it waits for ${waitsFor}; leave it out`,
      }));
  });
}

interface Found {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
}

function valuesAt(root: unknown, pattern: readonly string[]): readonly Found[] {
  return pattern.reduce<readonly Found[]>(
    (found, part) => found.flatMap(({ path, value }) => step(path, value, part)),
    [{ path: [], value: root }],
  );
}

function step(path: Found['path'], value: unknown, part: string): readonly Found[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value)
    .filter(([key]) => part === '*' || key === part)
    .map(([key, next]) => ({ path: [...path, Array.isArray(value) ? Number(key) : key], value: next as unknown }));
}
