import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Deadlines } from '../../../src/proxy/deadlines.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Notes its name when its deadline comes. */
function named(name: string, reached: string[], act: () => void = () => {}) {
  return {
    onDeadline() {
      reached.push(name);
      act();
    },
  };
}

it('reaches each deadline at its time, whatever was set before or behind it', () => {
  const deadlines = new Deadlines();
  const reached: string[] = [];
  deadlines.set(100, named('a', reached));
  vi.advanceTimersByTime(40);
  deadlines.set(100, named('b', reached));
  deadlines.set(30, named('c', reached));
  vi.advanceTimersByTime(29);
  expect(reached).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(reached).toEqual(['c']);
  vi.advanceTimersByTime(30);
  expect(reached).toEqual(['c', 'a']);
  vi.advanceTimersByTime(39);
  expect(reached).toEqual(['c', 'a']);
  vi.advanceTimersByTime(1);
  expect(reached).toEqual(['c', 'a', 'b']);
});

it('reaches none that was taken back, and the one behind it in time', () => {
  const deadlines = new Deadlines();
  const reached: string[] = [];
  const first = deadlines.set(100, named('first', reached));
  vi.advanceTimersByTime(10);
  const second = deadlines.set(
    100,
    named('second', reached, () => Deadlines.clear(third)),
  );
  const third = deadlines.set(100, named('third', reached));
  Deadlines.clear(first);
  Deadlines.clear(first);
  Deadlines.clear(null);
  vi.advanceTimersByTime(99);
  expect(reached).toEqual([]);
  vi.advanceTimersByTime(1000);
  expect(reached).toEqual(['second']);
  Deadlines.clear(second);
});

it('waits with one timer for all of a length, and with none once there is nothing to wait for', () => {
  const deadlines = new Deadlines();
  const reached: string[] = [];
  const set = Array.from({ length: 1000 }, () => deadlines.set(50, named('never', reached)));
  deadlines.set(70, named('late', reached));
  expect(vi.getTimerCount()).toBe(2);
  for (const deadline of set) Deadlines.clear(deadline);
  vi.advanceTimersByTime(50);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(20);
  expect([vi.getTimerCount(), reached]).toEqual([0, ['late']]);
});

it('takes one that is set by another that was just reached', () => {
  const deadlines = new Deadlines();
  const reached: string[] = [];
  deadlines.set(
    10,
    named('once', reached, () => deadlines.set(10, named('again', reached))),
  );
  vi.advanceTimersByTime(19);
  expect(reached).toEqual(['once']);
  vi.advanceTimersByTime(1);
  expect(reached).toEqual(['once', 'again']);
});

it('goes on with the rest where one fails', () => {
  const deadlines = new Deadlines();
  const reached: string[] = [];
  deadlines.set(10, {
    onDeadline() {
      throw new Error('it failed');
    },
  });
  deadlines.set(10, named('next', reached));
  expect(() => vi.advanceTimersByTime(10)).toThrow('it failed');
  vi.advanceTimersByTime(1);
  expect(reached).toEqual(['next']);
});
