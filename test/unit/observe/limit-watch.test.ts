import { expect, test } from 'vitest';
import { createLimitWatch } from '../../../src/observe/limit-watch.ts';

test('nearing the limit is said once, and again after it was far in between', () => {
  const said: unknown[] = [];
  let count = 0;
  const watch = createLimitWatch({
    log: { warn: (event, fields) => void said.push([event, fields]) },
    open: () => count,
    limit: () => 100,
  });
  const look = (open: number) => {
    count = open;
    watch.look();
    return said.length;
  };
  expect([89, 90, 100, 85, 95].map(look)).toEqual([0, 1, 1, 1, 1]);
  expect(said).toEqual([['limit_near', { limit: 'connections', open: 90, most: 100 }]]);
  expect([79, 89, 92].map(look)).toEqual([1, 1, 2]);
});
