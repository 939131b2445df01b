/** Verifications that wait for a hashing thread: a bounded queue that hands out the best rank first. */
import type { Standing } from './throttle.ts';
import type { Attempt, Verification } from './verify.ts';

/** One verification that waits or runs, and everybody at this address who waits for it. */
export interface Job {
  readonly id: string;
  readonly attempt: Attempt;
  /** The keyed hash over user, password and what is stored. */
  readonly key: string;
  readonly since: number;
  readonly waiters: Set<Waiter>;
}

export interface Waiter {
  readonly resolve: (verification: Verification) => void;
  readonly reject: (error: unknown) => void;
}

export interface VerifyQueue {
  get(id: string): Job | undefined;
  /** Whether this user is waited for at this address already, with another password. */
  hasOther(attempt: Attempt): boolean;
  /** Takes a job in; in a full queue it gives back the job that has to leave for it, which may be itself. */
  add(job: Job): Job | null;
  delete(id: string): void;
  /** Every job, the best rank first; in a flood of equals the latest first, for the earliest have mostly given up. */
  inRank(): readonly { readonly job: Job; readonly standing: Standing }[];
  readonly size: number;
}

/** Those that failed before find room only while so small a part of the queue is taken: a flood of them stays cheap. */
const shareOfFailed = 1 / 16;

/** A queue of at most so many jobs; `standingOf` says who goes first. */
export function createVerifyQueue(maxJobs: number, standingOf: (attempt: Attempt) => Standing): VerifyQueue {
  const rankOf = (attempt: Attempt) => standingOf(attempt).rank;
  const jobs = new Map<string, Job>();
  /** The jobs of each address and user. */
  const pairs = new Map<string, Set<Job>>();
  const pairOf = ({ client, user }: Attempt) => `${client} ${user}`;
  /** The best first, as they were when last looked at: a flood must not sort the queue for each that comes. */
  let ranked: Job[] = [];

  function remove(id: string): boolean {
    const job = jobs.get(id);
    if (!job) return false;
    const pair = pairOf(job.attempt);
    const siblings = pairs.get(pair);
    siblings?.delete(job);
    if (siblings?.size === 0) pairs.delete(pair);
    return jobs.delete(id);
  }

  /** Gives up the job of the worst rank, if it is worse than this. */
  function makeRoom(rank: number): Job | null {
    for (let worst = ranked.at(-1); worst; worst = ranked.at(-1)) {
      if (jobs.has(worst.id) && rankOf(worst.attempt) <= rank) return null;
      ranked.pop();
      if (remove(worst.id)) return worst;
    }
    return null;
  }

  return {
    get: (id) => jobs.get(id),
    hasOther(attempt) {
      for (const job of pairs.get(pairOf(attempt)) ?? []) if (job.attempt.password !== attempt.password) return true;
      return false;
    },
    add(job) {
      const rank = rankOf(job.attempt);
      const room = rank > 0 ? Math.max(1, maxJobs * shareOfFailed) : maxJobs;
      const left = jobs.size < room ? null : makeRoom(rank);
      if (!left && jobs.size >= room) return job;
      jobs.set(job.id, job);
      const pair = pairOf(job.attempt);
      pairs.set(pair, (pairs.get(pair) ?? new Set()).add(job));
      return left;
    },
    delete: (id) => void remove(id),
    inRank() {
      const entries = [...jobs.values()].toReversed().map((job) => ({ job, standing: standingOf(job.attempt) }));
      entries.sort((a, b) => a.standing.rank - b.standing.rank);
      ranked = entries.map(({ job }) => job);
      return entries;
    },
    get size() {
      return jobs.size;
    },
  };
}
