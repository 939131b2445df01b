/** A shipped list that was cut while it was written: at whatever byte, it never lets more out than the whole one. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllowlist } from '../../src/policy/allowlist.ts';

const folder = resolve(import.meta.dirname, '../../allowlist');
const options = { file: 'list.txt', groups: new Map(), knownTags: null, unknownTagHint: '', usersConfigured: false };
const lists = ['public', 'usgov', 'china'].flatMap((cloud) =>
  readdirSync(join(folder, cloud)).map((name) => join(cloud, name)),
);

describe('cut at every byte but a line end', () => {
  it.each(lists)('%s is refused', (name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    const taken: number[] = [];
    for (let at = 0; at < text.length; at++) {
      if (text[at - 1] === '\n') continue;
      const { faults } = parseAllowlist(text.slice(0, at), options);
      if (!faults.some(({ severity }) => severity === 'fault')) taken.push(at);
    }
    expect(taken).toEqual([]);
    expect(parseAllowlist(text, options).faults.filter(({ severity }) => severity === 'fault')).toEqual([]);
  });
});
