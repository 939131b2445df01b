import { describe, expect, it } from 'vitest';
import { createRefreshClock } from '../../../src/state/range-clock.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const nowMs = Date.parse('2026-01-10T00:00:00Z');
const usual = { refreshHours: 24, staleAfterDays: 8, succeededMs: null, documentMs: null, nowMs, random: () => 0.5 };

describe('the first refresh of a process', () => {
  it.each([
    ['never refreshed', null, 15_000],
    ['refreshed an hour ago', nowMs - hourMs, 23 * hourMs],
    ['refreshed three days ago', nowMs - 72 * hourMs, 15_000],
    ['refreshed in what is still to come', nowMs + hourMs, 15_000],
  ])('%s', (_, succeededMs, dueInMs) => {
    expect(createRefreshClock({ ...usual, succeededMs }).dueMs - nowMs).toBe(dueInMs);
  });

  it('is not at one moment for all proxies, neither then nor later', () => {
    const clocks = [0, 0.999].map((part) => createRefreshClock({ ...usual, random: () => part }));
    expect(clocks.map(({ dueMs }) => Math.round((dueMs - nowMs) / 1000))).toEqual([0, 30]);
    for (const clock of clocks) clock.succeeded(nowMs);
    expect(clocks.map(({ dueMs }) => Math.round((dueMs - nowMs) / hourMs))).toEqual([22, 26]);
  });
});

describe('after a failure', () => {
  it('waits twice as long each time, up to four hours, and is back to normal after a success', () => {
    const clock = createRefreshClock(usual);
    const waits = Array.from({ length: 10 }, () => {
      clock.failed(nowMs);
      return (clock.dueMs - nowMs) / minuteMs;
    });
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 240, 240]);
    clock.succeeded(nowMs);
    clock.failed(nowMs);
    expect(clock.dueMs - nowMs).toBe(minuteMs);
  });

  it('never waits longer than a whole period, nor so long that a number overflows', () => {
    const clock = createRefreshClock({ ...usual, refreshHours: 1 });
    for (let count = 0; count < 2000; count++) clock.failed(nowMs);
    expect(clock.dueMs - nowMs).toBe(hourMs);
  });
});

describe('ranges are stale', () => {
  const days = (count: number): number => nowMs - count * 24 * hourMs;
  it.each([
    ['refreshed 8 days ago', days(8), days(30), false],
    ['refreshed 9 days ago', days(9), days(1), true],
    ['never refreshed, of a document 9 days old', null, days(9), true],
    ['never refreshed, of a document of yesterday', null, days(1), false],
    ['never refreshed, of a document without date', null, null, false],
  ])('%s', (_, succeededMs, documentMs, isStale) => {
    const clock = createRefreshClock({ ...usual, succeededMs, documentMs });
    expect(clock.isStale(nowMs)).toBe(isStale);
    clock.succeeded(nowMs);
    expect(clock.isStale(nowMs)).toBe(false);
  });
});
