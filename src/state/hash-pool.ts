/** Threads that verify passwords, so that the event loop never waits for a hash. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/** What goes to a thread. */
export interface HashTask {
  readonly id: number;
  readonly password: string;
  readonly stored: string;
}

/** What comes back. */
export interface HashAnswer {
  readonly id: number;
  readonly isRight: boolean;
}

export interface HashPool {
  /** How many verifications may run at once. */
  readonly size: number;
  /** Verifies on a thread that is free. @throws Error when none is, or when the thread died */
  verify(password: string, stored: string): Promise<boolean>;
  /** Ends the threads; what still runs fails. */
  close(): Promise<void>;
}

/** More threads than this would take more memory than clients signing in at once are worth. */
const maxThreads = 4;

interface Running {
  readonly id: number;
  readonly resolve: (isRight: boolean) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  running: Running | null;
}

/** A pool without threads yet: each is started when it is first needed, for most proxies verify nothing. */
export function createHashPool(size = Math.min(maxThreads, availableParallelism())): HashPool {
  const threads = new Set<Thread>();
  let count = 0;

  function startThread(): Thread {
    const worker = new Worker(new URL('hash-thread.ts', import.meta.url));
    const thread: Thread = { worker, running: null };
    worker.on('message', ({ id, isRight }: HashAnswer) => {
      const { running } = thread;
      if (running?.id !== id) return;
      thread.running = null;
      worker.unref();
      running.resolve(isRight);
    });
    // A thread that failed is gone; the next task starts another.
    const onGone = (cause: unknown) => {
      threads.delete(thread);
      thread.running?.reject(new Error('the hashing thread died', { cause }));
      thread.running = null;
    };
    worker.on('error', onGone);
    worker.on('exit', onGone);
    threads.add(thread);
    return thread;
  }

  return {
    size,
    verify(password, stored) {
      let thread = [...threads].find(({ running }) => running === null);
      if (!thread && threads.size >= size) return Promise.reject(new Error('no hashing thread is free'));
      thread ??= startThread();
      const { worker } = thread;
      const id = count++;
      return new Promise((resolve, reject) => {
        thread.running = { id, resolve, reject };
        worker.ref();
        worker.postMessage({ id, password, stored } satisfies HashTask, []);
      });
    },
    async close() {
      await Promise.all([...threads].map(({ worker }) => worker.terminate()));
    },
  };
}
