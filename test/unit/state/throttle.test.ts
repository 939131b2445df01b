/** The throttle over a clock of the test's own: who is refused for how long, and whom the guesses of others never touch. */
import { describe, expect, it } from 'vitest';
import { createThrottle } from '../../../src/state/throttle.ts';

/** A throttle, its clock, and attempts on it. */
function setUp(maxEntries?: number) {
  let now = 1_000_000;
  const throttle = createThrottle({ now: () => now, ...(maxEntries !== undefined && { maxEntries }) });
  return {
    throttle,
    pass: (ms: number) => (now += ms),
    /** One attempt, if it may begin at all; tells what became of it. */
    attempt: (user: string, address: string, isRight: boolean): 'verified' | 'blocked' | 'waits' => {
      if (throttle.standingOf(user, address).blockedMs > 0) return 'blocked';
      if (!throttle.begin(user, address)) return 'waits';
      throttle.end(user, address, isRight);
      return 'verified';
    },
  };
}

describe('five failures block', () => {
  it.each([
    ['one user at one address', () => 'ann'],
    ['an address over all users', (at: number) => `user${at}`],
  ])('%s: for a second, then twice as long each time, up to a minute', (_name, userAt) => {
    const { throttle, pass, attempt } = setUp();
    const who = (at: number): [string, string] => [userAt(at), '10.0.0.1'];
    for (let at = 0; at < 4; at++) {
      expect(attempt(...who(at), false)).toBe('verified');
      expect(throttle.standingOf(...who(at)).blockedMs).toBe(0);
    }
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60, 60]) {
      expect(attempt(...who(99), false)).toBe('verified');
      expect(throttle.standingOf(...who(99)).blockedMs).toBe(seconds * 1000);
      pass(seconds * 1000 - 1);
      expect(attempt(...who(99), true)).toBe('blocked');
      pass(1);
    }
  });

  it('and an attempt while blocked does not make it longer', () => {
    const { throttle, attempt } = setUp();
    for (let at = 0; at < 5; at++) attempt('ann', '10.0.0.1', false);
    for (let at = 0; at < 100; at++) expect(attempt('ann', '10.0.0.1', false)).toBe('blocked');
    expect(throttle.standingOf('ann', '10.0.0.1').blockedMs).toBe(1000);
  });

  it('and no more than five are under way before the first has failed', () => {
    const { throttle } = setUp();
    const begun = Array.from({ length: 20 }, (_, at) => throttle.begin(`user${at}`, '10.0.0.1'));
    expect(begun.filter(Boolean)).toHaveLength(5);
  });

  it('until the password is right: then the count begins anew', () => {
    const { throttle, attempt } = setUp();
    for (let at = 0; at < 4; at++) attempt('ann', '10.0.0.1', false);
    expect(attempt('ann', '10.0.0.1', true)).toBe('verified');
    for (let at = 0; at < 4; at++) attempt('ann', '10.0.0.1', false);
    expect(throttle.standingOf('ann', '10.0.0.1').blockedMs).toBe(0);
  });

  it('unless they lie ten minutes back', () => {
    const { throttle, pass, attempt } = setUp();
    for (let at = 0; at < 4; at++) attempt('ann', '10.0.0.1', false);
    pass(10 * 60_000 + 1);
    attempt('ann', '10.0.0.1', false);
    expect(throttle.standingOf('ann', '10.0.0.1').blockedMs).toBe(0);
  });

  it('and hashing that failed counts for nobody', () => {
    const { throttle } = setUp();
    for (let at = 0; at < 50; at++) {
      expect(throttle.begin('ann', '10.0.0.1')).toBe(true);
      throttle.end('ann', '10.0.0.1', null);
    }
    expect(throttle.standingOf('ann', '10.0.0.1').rank).toBe(0);
  });
});

describe('an address from which a user signed in', () => {
  it('is not blocked for that user by guesses at others from the same address', () => {
    const { throttle, attempt } = setUp();
    attempt('ann', '10.0.0.1', true);
    for (let at = 0; at < 5; at++) attempt(`user${at}`, '10.0.0.1', false);
    expect(attempt('eve', '10.0.0.1', true)).toBe('blocked');
    expect(throttle.standingOf('ann', '10.0.0.1').blockedMs).toBe(0);
    expect(attempt('ann', '10.0.0.1', true)).toBe('verified');
  });

  it('is not held up by guesses at that user from a thousand other addresses', () => {
    const { attempt } = setUp();
    attempt('ann', '10.0.0.1', true);
    for (let at = 0; at < 1000; at++) attempt('ann', `10.9.${at >> 8}.${at & 255}`, false);
    expect(attempt('ann', '10.9.200.1', true)).toBe('waits');
    expect(attempt('ann', '10.0.0.1', true)).toBe('verified');
  });

  it('is blocked for that user by its own failures', () => {
    const { attempt } = setUp();
    attempt('ann', '10.0.0.1', true);
    for (let at = 0; at < 5; at++) attempt('ann', '10.0.0.1', false);
    expect(attempt('ann', '10.0.0.1', true)).toBe('blocked');
  });

  it('is known for a day', () => {
    const { throttle, pass, attempt } = setUp();
    attempt('ann', '10.0.0.1', true);
    pass(24 * 3_600_000 - 1);
    expect(throttle.standingOf('ann', '10.0.0.1').rank).toBe(-1);
    pass(1);
    expect(throttle.standingOf('ann', '10.0.0.1').rank).toBe(0);
  });
});

describe('a user guessed at from many addresses', () => {
  it('has twenty failures by strangers at once and one more each second', () => {
    const { pass, attempt } = setUp();
    const guesses = (from: number, count: number) =>
      Array.from({ length: count }, (_, at) => attempt('ann', `10.9.${from}.${at}`, false));
    expect(guesses(0, 100).filter((outcome) => outcome === 'verified')).toHaveLength(20);
    pass(1000);
    expect(guesses(1, 100).filter((outcome) => outcome === 'verified')).toHaveLength(1);
    pass(60_000);
    expect(guesses(2, 100).filter((outcome) => outcome === 'verified')).toHaveLength(20);
  });

  it('costs other users nothing', () => {
    const { attempt } = setUp();
    for (let at = 0; at < 100; at++) attempt('ann', `10.9.0.${at}`, false);
    expect(attempt('bob', '10.0.0.2', true)).toBe('verified');
  });

  it('signs in from any number of new addresses as long as nobody guesses', () => {
    const { attempt } = setUp();
    for (let at = 0; at < 250; at++) expect(attempt('ann', `10.0.0.${at}`, true)).toBe('verified');
  });

  it('lets a new address go before those that failed', () => {
    const { throttle, attempt } = setUp();
    attempt('ann', '10.9.0.1', false);
    attempt('bob', '10.9.0.2', false);
    expect(throttle.standingOf('ann', '10.0.0.1').rank).toBeLessThan(throttle.standingOf('ann', '10.9.0.1').rank);
    expect(throttle.standingOf('ann', '10.0.0.1').rank).toBeLessThan(throttle.standingOf('ann', '10.9.0.2').rank);
  });
});

it('the tables hold so many entries and let the oldest go', () => {
  const { throttle, attempt } = setUp(100);
  for (let at = 0; at < 5; at++) attempt('ann', '10.0.0.1', false);
  for (let at = 0; at < 99; at++) attempt(`user${at}`, `10.1.0.${at}`, false);
  expect(throttle.standingOf('ann', '10.0.0.1').blockedMs).toBe(1000);
  attempt('last', '10.1.1.1', false);
  expect(throttle.standingOf('ann', '10.0.0.1').blockedMs).toBe(0);
});
