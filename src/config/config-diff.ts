/** What a reload does to the keys of the configuration: which changed, and which of those wait for a restart. */
import type { Config } from './config.ts';

/** Keys that are read once, at the start: what is bound or opened by them stays as it is until the process ends. */
const readAtStart: readonly string[] = [
  'listen',
  'limits.headerBytes',
  'limits.headerMs',
  'limits.keepAliveMs',
  'log.access',
  'log.format',
  'log.level',
  'admin.listen',
  'health.listen',
  'workers',
];

/** The keys that differ, blocks by their members (`log.level`). */
export function changedKeys(old: Config, next: Config): readonly string[] {
  const before = flatten(old);
  const after = flatten(next);
  return [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key));
}

/** Of changed keys those that take effect at the next start alone. */
export function keysForRestart(changed: readonly string[]): readonly string[] {
  return changed.filter((key) => readAtStart.some((start) => key === start || key.startsWith(`${start}.`)));
}

function flatten(config: Config): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(config).flatMap(([key, value]: [string, unknown]): (readonly [string, string])[] => {
      if (value instanceof Map) return [[key, JSON.stringify([...(value as Map<unknown, unknown>)])]];
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[key, JSON.stringify(value)]];
      return Object.entries(value).map(([name, member]) => [`${key}.${name}`, JSON.stringify(member)] as const);
    }),
  );
}
