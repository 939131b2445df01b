/** The table of reasons in README.md is what src/errors.ts says. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { answers } from '../src/errors.ts';

const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');

/** Cells without their padding. */
function rowsOf(table: string): readonly (readonly string[])[] {
  return table
    .trim()
    .split('\n')
    .map((line) =>
      line
        .slice(1, -1)
        .split(' | ')
        .map((cell) => cell.trim()),
    );
}

test('the table of reasons in README.md says of every reason what the code says, in the same order', () => {
  const table = /^\| reason +\|[^\n]*\n\| -[^\n]*\n((?:\|[^\n]*\n)+)/m.exec(readme)?.[1] ?? '';
  const expected = Object.entries(answers).map(([reason, { status, meaning, remedy }]) => [
    `\`${reason}\``,
    String(status),
    meaning,
    remedy,
  ]);
  expect(rowsOf(table)).toEqual(expected);
});

test('the drawing of a request in README.md has every reason that can end one', () => {
  const drawing = /^## The way of a request$([\s\S]*?)^## /m.exec(readme)?.[1] ?? '';
  const words = new Set(drawing.match(/[a-z]+(?:_[a-z]+)*/g));
  const missing = Object.keys(answers).filter((reason) => reason !== 'internal_error' && !words.has(reason));
  expect(missing).toEqual([]);
});
