/** The verifier over a pool and a clock of the test's own: what is hashed, what is remembered, who goes first. */
import { describe, expect, it } from 'vitest';
import type { HashPool } from '../../../src/state/hash-pool.ts';
import { createThrottle } from '../../../src/state/throttle.ts';
import { createVerifier } from '../../../src/state/verify.ts';
import type { Attempt, Verification } from '../../../src/state/verify.ts';

const alive = new AbortController().signal;
const attempt = (user: string, password: string, client = '10.0.0.1', stored: string | null = `hash of ${user}`) =>
  ({ user, password, client, stored, decoy: 'decoy' }) satisfies Attempt;

/** A pool whose verifications end when the test says so; `hash of ann` is right for the password `ann`. */
function setUp(options: { size?: number; maxWaiting?: number } = {}) {
  let now = 1_000_000;
  const tasks: { password: string; stored: string; finish: () => void; fail: (error: Error) => void }[] = [];
  const hashed: string[] = [];
  let isClosed = false;
  const pool: HashPool = {
    size: options.size ?? 2,
    verify(password, stored) {
      hashed.push(`${password} ${stored}`);
      return new Promise((resolve, reject) => {
        const finish = () => resolve(stored === `hash of ${password}` || password === 'decoyed');
        tasks.push({ password, stored, finish, fail: reject });
      });
    },
    close: async () => void (isClosed = true),
  };
  const throttle = createThrottle({ now: () => now });
  const verifier = createVerifier({ pool, throttle, now: () => now, maxWaiting: options.maxWaiting ?? 1000 });
  return {
    verifier,
    throttle,
    hashed,
    tasks,
    pass: (ms: number) => (now += ms),
    isClosed: () => isClosed,
    verify: async (asked: Attempt, signal = alive) => verifier.verify(asked, signal),
    /** Ends the verification that began first, and lets what follows from it happen. */
    finish: async (): Promise<void> => {
      tasks.shift()!.finish();
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    },
  };
}

const outcomeOf = async (promise: Promise<Verification>): Promise<string> => (await promise).outcome;

describe('credentials', () => {
  it.each([
    ['right', attempt('ann', 'ann'), 'ann hash of ann', 'right'],
    ['wrong', attempt('ann', 'bob'), 'bob hash of ann', 'wrong'],
    ['of nobody are hashed like any other', attempt('eve', 'x', '10.0.0.1', null), 'x decoy', 'wrong'],
    [
      'of nobody are wrong even if the decoy matches',
      attempt('eve', 'decoyed', '10.0.0.1', null),
      'decoyed decoy',
      'wrong',
    ],
  ])('%s', async (_name, asked, work, outcome) => {
    const { verify, finish, hashed } = setUp();
    const answer = verify(asked);
    await finish();
    expect(await outcomeOf(answer)).toBe(outcome);
    expect(hashed).toEqual([work]);
  });

  it('are not told apart from hashing that failed, which is an error', async () => {
    const { verify, tasks, throttle } = setUp();
    const answer = verify(attempt('ann', 'ann'));
    tasks[0]!.fail(new Error('thread died'));
    await expect(answer).rejects.toThrow('thread died');
    expect(throttle.standingOf('ann', '10.0.0.1').rank).toBe(0);
  });
});

describe('a success is remembered', () => {
  async function signIn(context: ReturnType<typeof setUp>): Promise<void> {
    const answer = context.verify(attempt('ann', 'ann'));
    await context.finish();
    expect(await outcomeOf(answer)).toBe('right');
  }

  it('for a minute after it was last of use, from any address', async () => {
    const context = setUp();
    await signIn(context);
    for (let at = 0; at < 5; at++) {
      context.pass(59_000);
      expect(await outcomeOf(context.verify(attempt('ann', 'ann', `10.0.0.${at}`)))).toBe('right');
    }
    expect(context.hashed).toHaveLength(1);
    context.pass(60_000);
    void context.verify(attempt('ann', 'ann'));
    expect(context.hashed).toHaveLength(2);
  });

  it.each([
    ['another password', attempt('ann', 'Ann')],
    ['another user', attempt('bob', 'ann')],
    ['the user with another hash', attempt('ann', 'ann', '10.0.0.1', 'hash of other')],
    ['the user who was removed', attempt('ann', 'ann', '10.0.0.1', null)],
    ['names and passwords cut elsewhere', attempt('an', 'nann')],
  ])('and not for %s', async (_name, asked) => {
    const context = setUp();
    await signIn(context);
    const answer = context.verify(asked);
    expect(context.hashed).toHaveLength(2);
    await context.finish();
    expect(await outcomeOf(answer)).toBe('wrong');
  });

  it('and a failure is not', async () => {
    const { verify, finish, hashed } = setUp();
    for (let at = 0; at < 3; at++) {
      const answer = verify(attempt('ann', 'bob'));
      await finish();
      expect(await outcomeOf(answer)).toBe('wrong');
    }
    expect(hashed).toHaveLength(3);
  });

  it('and tells nothing to an address that is blocked', async () => {
    const context = setUp();
    await signIn(context);
    for (let at = 0; at < 5; at++) {
      const guess = context.verify(attempt('ann', `guess ${at}`, '10.0.0.9'));
      await context.finish();
      await guess;
    }
    expect(await context.verify(attempt('ann', 'ann', '10.0.0.9'))).toEqual({
      outcome: 'throttled',
      retryAfterMs: 1000,
    });
    expect(await outcomeOf(context.verify(attempt('ann', 'ann')))).toBe('right');
  });
});

describe('many at once', () => {
  it('run as many as there are threads, the others wait', async () => {
    const { verify, finish, hashed } = setUp({ size: 2 });
    const answers = ['ann', 'bob', 'cid'].map((name, at) => verify(attempt(name, name, `10.0.0.${at}`)));
    expect(hashed).toHaveLength(2);
    await finish();
    expect(hashed).toHaveLength(3);
    await finish();
    await finish();
    expect(await Promise.all(answers.map(outcomeOf))).toEqual(['right', 'right', 'right']);
  });

  it('with the same credentials from one address are verified once, and count as one failure', async () => {
    const { verify, finish, hashed, throttle } = setUp();
    const answers = Array.from({ length: 50 }, () => verify(attempt('ann', 'old')));
    await finish();
    expect(new Set(await Promise.all(answers.map(outcomeOf)))).toEqual(new Set(['wrong']));
    expect(hashed).toHaveLength(1);
    expect(throttle.standingOf('ann', '10.0.0.1').rank).toBe(1);
  });

  it('with the same credentials from many addresses are verified once if they are right', async () => {
    const { verify, finish, hashed } = setUp({ size: 4 });
    const answers = Array.from({ length: 200 }, (_, at) => verify(attempt('ann', 'ann', `10.0.0.${at}`)));
    await finish();
    expect(new Set(await Promise.all(answers.map(outcomeOf)))).toEqual(new Set(['right']));
    expect(hashed).toHaveLength(1);
  });

  it('with different guesses from one address are refused unhashed after the fifth', async () => {
    const { verify, finish, hashed, tasks } = setUp({ size: 2 });
    const answers = Array.from({ length: 100 }, (_, at) => verify(attempt('ann', `guess ${at}`)));
    while (tasks.length > 0) await finish();
    const outcomes = await Promise.all(answers.map(outcomeOf));
    expect(hashed).toHaveLength(5);
    expect(outcomes.filter((outcome) => outcome === 'wrong')).toHaveLength(5);
    expect(outcomes.filter((outcome) => outcome === 'throttled')).toHaveLength(95);
  });
});

describe('who failed before', () => {
  it('is told to come back at once while strangers have failed too much for its user, others still wait', async () => {
    const { verify, finish, hashed, tasks } = setUp({ size: 2 });
    const guesses = Array.from({ length: 20 }, (_, at) => verify(attempt('ann', 'guess', `10.0.1.${at}`)));
    while (tasks.length > 0) await finish();
    const before = hashed.length;
    expect(await verify(attempt('ann', 'other', '10.0.1.0'))).toEqual({ outcome: 'throttled', retryAfterMs: 2000 });
    expect(hashed).toHaveLength(before);
    // Another user is not held up by that, and a new address waits for its turn.
    const bob = verify(attempt('bob', 'bob', '10.0.2.1'));
    const fresh = verify(attempt('ann', 'ann', '10.0.2.2'));
    await finish();
    expect(await outcomeOf(bob)).toBe('right');
    expect(await Promise.race([outcomeOf(fresh), Promise.resolve('waits')])).toBe('waits');
    // With the same password it waits once, with a second one it is told to come back.
    const again = verify(attempt('ann', 'ann', '10.0.2.2'));
    expect(await Promise.race([outcomeOf(again), Promise.resolve('waits')])).toBe('waits');
    expect(await outcomeOf(verify(attempt('ann', 'guess', '10.0.2.2')))).toBe('throttled');
    expect(new Set(await Promise.all(guesses.map(outcomeOf)))).toEqual(new Set(['wrong']));
  });
});

describe('who waits', () => {
  it('goes in the order of failures: known, then new, then who failed', async () => {
    const { verify, finish, hashed, throttle } = setUp({ size: 1 });
    throttle.noteSuccess('ann', '10.0.0.1');
    throttle.begin('eve', '10.0.0.9');
    throttle.end('eve', '10.0.0.9', false);
    void verify(attempt('busy', 'busy', '10.0.0.5'));
    void verify(attempt('eve', 'guess', '10.0.0.9'));
    void verify(attempt('bob', 'bob', '10.0.0.2'));
    void verify(attempt('ann', 'ann', '10.0.0.1'));
    for (let at = 0; at < 3; at++) await finish();
    expect(hashed.map((work) => work.split(' ')[0])).toEqual(['busy', 'ann', 'bob', 'guess']);
  });

  it('is told to come back where the queue is full, unless somebody worse waits in it', async () => {
    const { verify, throttle } = setUp({ size: 1, maxWaiting: 2 });
    throttle.begin('eve', '10.0.0.9');
    throttle.end('eve', '10.0.0.9', false);
    void verify(attempt('busy', 'busy', '10.0.0.5'));
    const worse = verify(attempt('eve', 'guess', '10.0.0.9'));
    void verify(attempt('bob', 'bob', '10.0.0.2'));
    // The queue is looked at when a rank is asked for: a known address looks at once.
    throttle.noteSuccess('ann', '10.0.0.1');
    void verify(attempt('ann', 'ann', '10.0.0.1'));
    expect(await worse).toEqual({ outcome: 'throttled', retryAfterMs: 2000 });
    expect(await verify(attempt('cid', 'cid', '10.0.0.3'))).toEqual({ outcome: 'throttled', retryAfterMs: 2000 });
  });

  it('leaves the queue when its client is gone', async () => {
    const { verify, finish, hashed } = setUp({ size: 1 });
    const gone = new AbortController();
    void verify(attempt('busy', 'busy', '10.0.0.5'));
    const answer = verify(attempt('bob', 'bob', '10.0.0.2'), gone.signal);
    gone.abort('client');
    await expect(answer).rejects.toBe('client');
    await finish();
    expect(hashed).toHaveLength(1);
  });

  it('is answered when the proxy stops', async () => {
    const { verify, verifier, isClosed } = setUp({ size: 1 });
    void verify(attempt('busy', 'busy', '10.0.0.5'));
    const waiting = verify(attempt('bob', 'bob', '10.0.0.2'));
    await verifier.close();
    expect(await outcomeOf(waiting)).toBe('throttled');
    expect(isClosed()).toBe(true);
  });
});
