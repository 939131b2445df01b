import { expect, it } from 'vitest';
import { createRefusalLimit } from '../../../src/observe/refusal-limit.ts';

it('the table of clients is bounded: the one whose minute began first is forgotten', () => {
  const limit = createRefusalLimit({ maxLines: 1, maxClients: 2 });
  limit.admit('a', 0);
  limit.admit('b', 1);
  limit.admit('c', 2);
  expect(limit.admit('c', 3).write).toBe(false);
  expect(limit.admit('b', 3).write).toBe(false);
  expect(limit.admit('a', 3).write).toBe(true);
});

it('a minute begins with the first refusal and its count is told once', () => {
  const limit = createRefusalLimit({ maxLines: 2 });
  const told = [0, 1, 2, 59_999, 60_000, 60_001, 200_000].map((now) => limit.admit('a', now));
  expect(told.map((each) => each.write)).toEqual([true, true, false, false, true, true, true]);
  expect(told.map((each) => each.suppressed)).toEqual([0, 0, 0, 0, 2, 0, 0]);
});
