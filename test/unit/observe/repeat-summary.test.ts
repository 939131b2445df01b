/** Refusals in the service log: news at once, repeats by the minute. */
import { expect, it } from 'vitest';
import { createRepeatSummary } from '../../../src/observe/repeat-summary.ts';

function start(maxPairs?: number) {
  const lines: string[] = [];
  const clock = { now: 0 };
  const summary = createRepeatSummary({
    log: { warn: (event, fields) => lines.push(`${event} ${Object.values(fields ?? {}).join(' ')}`) },
    now: () => clock.now,
    ...(maxPairs === undefined ? {} : { maxPairs }),
  });
  return { lines, clock, summary };
}

it('the first refusal of a client for a reason is said at once, with its fields', () => {
  const { lines, summary } = start();
  summary.note({ client: '10.0.0.4', reason: 'not_on_allowlist', target: 'h:443' });
  summary.note({ client: '10.0.0.4', reason: 'denied_by_rule' });
  summary.note({ client: '10.0.0.5', reason: 'not_on_allowlist' });
  expect(lines).toEqual([
    'refused 10.0.0.4 not_on_allowlist h:443',
    'refused 10.0.0.4 denied_by_rule',
    'refused 10.0.0.5 not_on_allowlist',
  ]);
});

it('repeats within the minute are one line when it is over', () => {
  const { lines, clock, summary } = start();
  for (let count = 0; count < 6; count += 1) summary.note({ client: 'a', reason: 'denied_by_rule' });
  clock.now = 59_999;
  summary.sum();
  expect(lines).toHaveLength(1);
  clock.now = 60_000;
  summary.sum();
  expect(lines.slice(1)).toEqual(['refused_repeats a denied_by_rule 5 60']);
});

it('repeats that go on are summed each minute', () => {
  const { lines, clock, summary } = start();
  for (clock.now = 0; clock.now <= 150_000; clock.now += 10_000) {
    summary.sum();
    summary.note({ client: 'a', reason: 'denied_by_rule' });
  }
  expect(lines).toEqual([
    'refused a denied_by_rule',
    'refused_repeats a denied_by_rule 5 60',
    'refused_repeats a denied_by_rule 6 60',
  ]);
});

it('a refusal after a quiet minute is news again', () => {
  const { lines, clock, summary } = start();
  summary.note({ client: 'a', reason: 'denied_by_rule' });
  clock.now = 60_000;
  summary.note({ client: 'a', reason: 'denied_by_rule' });
  expect(lines).toEqual(['refused a denied_by_rule', 'refused a denied_by_rule']);
});

it('a sweep of addresses is counted together once the table is full', () => {
  const { lines, clock, summary } = start(2);
  for (const client of ['a', 'b', 'c', 'd', 'c']) summary.note({ client, reason: 'denied_by_rule' });
  clock.now = 60_000;
  summary.sum();
  expect(lines).toEqual(['refused a denied_by_rule', 'refused b denied_by_rule', 'refused_repeats   3 60']);
  summary.note({ client: 'c', reason: 'denied_by_rule' });
  expect(lines.at(-1)).toBe('refused c denied_by_rule');
});

it('what was counted is said at the end', () => {
  const { lines, clock, summary } = start();
  summary.note({ client: 'a', reason: 'denied_by_rule' });
  summary.note({ client: 'a', reason: 'denied_by_rule' });
  clock.now = 2000;
  summary.sumAll();
  expect(lines.at(-1)).toBe('refused_repeats a denied_by_rule 1 2');
});
