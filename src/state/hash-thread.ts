/** The entry of a hashing thread: verifies one password after the other, behind everything else that wants the processor. */
import { setPriority } from 'node:os';
import process from 'node:process';
import { parentPort } from 'node:worker_threads';
import type { HashAnswer, HashTask } from './hash-pool.ts';
import { verifyStored } from './password-stored.ts';

/** A tenth of a processor where tunnels want all of it: sign-ins come late then, and still come. */
const niceness = 10;

// On Linux a thread has a niceness of its own; elsewhere this would slow the whole process.
if (process.platform === 'linux') {
  try {
    setPriority(niceness);
  } catch {
    // Not allowed here: hashing then competes with the tunnels as an equal.
  }
}

parentPort?.on('message', ({ id, password, stored }: HashTask) => {
  const answer: HashAnswer = { id, isRight: verifyStored(password, stored) };
  parentPort?.postMessage(answer, []);
});
