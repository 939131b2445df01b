/** The entry of a hashing thread: verifies one password after the other, behind everything else that wants the processor. */
import { constants, setPriority } from 'node:os';
import process from 'node:process';
import { parentPort } from 'node:worker_threads';
import type { HashAnswer, HashTask } from './hash-pool.ts';
import { verifyStored } from './password-stored.ts';

// On Linux a thread has a niceness of its own; elsewhere this would slow the whole process.
if (process.platform === 'linux') {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Not allowed here: hashing then competes with the tunnels as an equal.
  }
}

parentPort?.on('message', ({ id, password, stored }: HashTask) => {
  const answer: HashAnswer = { id, isRight: verifyStored(password, stored) };
  parentPort?.postMessage(answer, []);
});
