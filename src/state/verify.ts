/**
 * Verifies credentials: refuses what the throttle blocks, remembers what was right for a minute, and lets the rest wait
 * for a hashing thread in a bounded queue. Everything in and out of `verify` is plain data behind a promise, so that one
 * verifier can serve several processes.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { StopSignal } from './stop-signal.ts';
import type { HashPool } from './hash-pool.ts';
import type { Standing, Throttle } from './throttle.ts';
import { createBoundedTable } from './throttle-table.ts';
import type { Job, Waiter } from './verify-queue.ts';
import { createVerifyQueue } from './verify-queue.ts';

/** Credentials that a client sent, and what is stored for them. */
export interface Attempt {
  readonly user: string;
  readonly password: string;
  /** The client's address. */
  readonly client: string;
  /** The user's hash, or null where there is no such user. */
  readonly stored: string | null;
  /** The hash that stands in for one that is not there, so that both take as long. */
  readonly decoy: string;
}

/** What became of an attempt; `retryAfterMs` is when another may be worth it. */
export type Verification =
  | { readonly outcome: 'right' }
  | { readonly outcome: 'wrong' }
  | { readonly outcome: 'throttled'; readonly retryAfterMs: number };

export interface Verifier {
  /**
   * Verifies one attempt, at once where nothing has to be hashed; `signal` gives it up while it waits.
   * @throws the signal's reason, or Error when hashing failed
   */
  verify(attempt: Attempt, signal: StopSignal): Verification | Promise<Verification>;
  /** Answers those that wait and ends the hashing threads. */
  close(): Promise<void>;
}

export interface VerifierDeps {
  readonly pool: HashPool;
  readonly throttle: Throttle;
  /** Milliseconds that never go back. */
  readonly now: () => number;
  readonly maxWaiting?: number;
}

/** A success is remembered for so long after it was last of use, under a hash that is worthless outside this process. */
const rememberMs = 60_000;
const maxRemembered = 10_000;
/** Who waited longer is told to come back. A new address gets its turn within it even under attack. */
const maxWaitMs = 30_000;
/** The same for those that failed before: they are most of an attack, and their connections are not to pile up. */
const maxWaitFailedMs = 2000;
const maxWaiting = 1000;
/** When to come back where not the client's own failures but too many others are the cause, in milliseconds. */
const comeBackMs = 2000;
/** How often those are looked at who wait for something other than a thread, in milliseconds. */
const lookMs = 100;

export function createVerifier(deps: VerifierDeps): Verifier {
  const { pool, throttle, now } = deps;
  const secret = randomBytes(32);
  const remembered = createBoundedTable<number>(maxRemembered);
  const standingOf = ({ user, client }: Attempt) => throttle.standingOf(user, client);
  const waiting = createVerifyQueue(deps.maxWaiting ?? maxWaiting, standingOf);
  const running = new Map<string, Job>();
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  /** With the stored hash in it, a success is forgotten with the user who is removed or gets another password. */
  function keyOf({ user, password, stored }: Attempt): string {
    const text = JSON.stringify([user, password, stored]);
    return createHmac('sha256', secret).update(text).digest('base64');
  }

  /** The refusal of whoever is blocked; null: nobody blocks this attempt. */
  function blockOf({ blockedMs }: Standing): Verification | null {
    return blockedMs > 0 ? { outcome: 'throttled', retryAfterMs: blockedMs } : null;
  }

  /** The success that is remembered; null: it has to be verified. To be asked behind the block, or it would tell of hits. */
  function recall({ user, client }: Attempt, key: string): Verification | null {
    if ((remembered.get(key) ?? -Infinity) <= now()) return null;
    remembered.set(key, now() + rememberMs);
    throttle.noteSuccess(user, client);
    return { outcome: 'right' };
  }

  /** Answers who need not wait any more, then starts as many as there are threads for. */
  function pump(): void {
    clearTimeout(timer);
    timer = undefined;
    for (const { job, standing } of waiting.inRank()) {
      const longestMs = standing.rank > 0 ? maxWaitFailedMs : maxWaitMs;
      const isLate = isClosed || now() - job.since > longestMs;
      const settled = blockOf(standing) ?? recall(job.attempt, job.key) ?? (isLate ? tooMany : null);
      if (!settled && (standing.isSpent || !mayStart(job))) continue;
      waiting.delete(job.id);
      if (settled) settle(job, settled);
      else void run(job);
    }
    if (waiting.size > 0) timer = setTimeout(pump, lookMs);
  }

  function mayStart({ id, attempt, key }: Job): boolean {
    if (running.size >= pool.size || running.has(id)) return false;
    // The same credentials from another address may be about to be found right: then these need no thread.
    if ([...running.values()].some((other) => other.key === key)) return false;
    return throttle.begin(attempt.user, attempt.client);
  }

  async function run(job: Job): Promise<void> {
    const { id, attempt, key } = job;
    running.set(id, job);
    let isRight: boolean | null = null;
    try {
      const matches = await pool.verify(attempt.password, attempt.stored ?? attempt.decoy);
      isRight = matches && attempt.stored !== null;
      if (isRight) remembered.set(key, now() + rememberMs);
    } catch (error) {
      for (const { reject } of job.waiters) reject(error);
    }
    running.delete(id);
    throttle.end(attempt.user, attempt.client, isRight);
    if (isRight !== null) settle(job, { outcome: isRight ? 'right' : 'wrong' });
    pump();
  }

  /** Lets somebody wait for an attempt: the same credentials from one address are verified once. */
  function join(attempt: Attempt, key: string, rank: number, waiter: Waiter): () => void {
    const id = `${attempt.client} ${key}`;
    const known = running.get(id) ?? waiting.get(id);
    const job = known ?? { id, attempt, key, since: now(), waiters: new Set() };
    job.waiters.add(waiter);
    if (!known) {
      const isFirst = waiting.size === 0 || rank < 0;
      const left = waiting.add(job);
      if (left) settle(left, tooMany);
      // Behind others it waits to be looked at with them: whoever comes last must not be who goes first.
      if (isFirst) pump();
      else timer ??= setTimeout(pump, lookMs);
    }
    return () => {
      job.waiters.delete(waiter);
      if (job.waiters.size === 0) waiting.delete(id);
    };
  }

  return {
    verify(attempt, signal) {
      const standing = standingOf(attempt);
      const blocked = signal.aborted ? tooMany : blockOf(standing);
      if (blocked) return blocked;
      // Who failed before, while strangers fail too much, would only wait for others to go first.
      // An address waits for its turn with one password: who comes with several then is guessing.
      if (standing.isSpent && (standing.rank > 0 || waiting.hasOther(attempt))) return tooMany;
      const key = keyOf(attempt);
      const recalled = recall(attempt, key);
      if (recalled) return recalled;
      return new Promise((resolve, reject) => {
        const onAbort = () => {
          leave();
          reject(signal.reason);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        const leave = join(attempt, key, standing.rank, {
          resolve(verification) {
            signal.removeEventListener('abort', onAbort);
            resolve(verification);
          },
          reject(error) {
            signal.removeEventListener('abort', onAbort);
            reject(error instanceof Error ? error : new Error('hashing failed', { cause: error }));
          },
        });
      });
    },
    async close() {
      isClosed = true;
      pump();
      clearTimeout(timer);
      await pool.close();
    },
  };
}

/** A 429 and not a 503: what there is too much of are sign-ins, and to come back later is the remedy. */
const tooMany: Verification = { outcome: 'throttled', retryAfterMs: comeBackMs };

function settle(job: Job, verification: Verification): void {
  for (const { resolve } of job.waiters) resolve(verification);
}
