/** The load, a process of its own: performs the jobs it is sent, one at a time, and answers each. */
import process from 'node:process';
import { captureClientHello } from '../../support/client-hello.ts';
import type { Job, JobReply } from './job.ts';
import { createPerformer } from './perform.ts';

const perform = createPerformer(await captureClientHello('localhost'));
const reply = (message: JobReply) => process.send?.(message);

process.on('message', (job: Job) => {
  perform(job).then(
    (outcome) => reply({ ok: true, outcome }),
    (error: unknown) => reply({ ok: false, message: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
reply({ ok: true, outcome: null });
