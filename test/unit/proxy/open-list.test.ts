import { expect, it } from 'vitest';
import type { Entry } from '../../../src/proxy/open-list.ts';
import { OpenList } from '../../../src/proxy/open-list.ts';

it('holds what is open in the order in which it opened, whichever goes first', () => {
  const list = new OpenList<number>();
  const entries = [1, 2, 3, 4, 5].map((value) => list.add(value));
  const left = [1, 2, 3, 4, 5];
  for (const value of [3, 1, 5, 2, 4]) {
    list.remove(entries[value - 1] as Entry<number>);
    left.splice(left.indexOf(value), 1);
    expect([[...list], list.size]).toEqual([left, left.length]);
  }
  list.add(6);
  expect([...list]).toEqual([6]);
});

it('lets an entry go once', () => {
  const list = new OpenList<string>();
  const [first] = [list.add('a'), list.add('b'), list.add('c')];
  list.remove(first);
  list.remove(first);
  expect([[...list], list.size]).toEqual([['b', 'c'], 2]);
});

it('is gone over as it was, whatever ends or opens meanwhile', () => {
  const list = new OpenList<string>();
  const entries = ['a', 'b', 'c'].map((value) => list.add(value));
  const seen: string[] = [];
  for (const value of list) {
    seen.push(value);
    for (const entry of entries) list.remove(entry);
    list.add(`behind ${value}`);
  }
  expect(seen).toEqual(['a', 'b', 'c']);
  expect([...list]).toEqual(['behind a', 'behind b', 'behind c']);
});
