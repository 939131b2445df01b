/** The two processes beside the measured one, as the benchmark drives them: the destination and the load. */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Job, JobReply, Outcomes } from './job.ts';

export interface Destination {
  readonly tunnelPort: number;
  readonly plainPort: number;
  readonly pid: number;
  stop(): void;
}

export interface Load {
  /** Rejects when the job fails or is not done in time; the load is a fresh process afterwards. */
  run<T extends Job['type']>(job: Extract<Job, { type: T }>): Promise<Outcomes[T]>;
  stop(): void;
}

/** No job may take longer, in milliseconds: a peer that hangs must not hang the benchmark. */
const jobMs = 90_000;

function start(file: string): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

export async function startDestination(): Promise<Destination> {
  const child = start('destination.ts');
  const [ports] = (await once(child, 'message')) as [{ tunnelPort: number; plainPort: number }];
  return { ...ports, pid: child.pid ?? 0, stop: () => void child.kill() };
}

export async function startLoad(): Promise<Load> {
  let child = await startChild();
  return {
    async run<T extends Job['type']>(job: Extract<Job, { type: T }>): Promise<Outcomes[T]> {
      const reply = await ask(child, job);
      if (reply.ok) return reply.outcome as Outcomes[T];
      // Whatever the job left open ends with its process.
      child.kill('SIGKILL');
      child = await startChild();
      throw new Error(reply.message);
    },
    stop: () => void child.kill(),
  };
}

async function startChild(): Promise<ChildProcess> {
  const child = start('load.ts');
  await once(child, 'message');
  return child;
}

function ask(child: ChildProcess, job: Job): Promise<JobReply> {
  return new Promise((resolve) => {
    const settle = (reply: JobReply) => {
      clearTimeout(timer);
      child.off('message', settle);
      child.off('exit', onExit);
      resolve(reply);
    };
    const onExit = () => settle({ ok: false, message: 'the load ended' });
    const timer = setTimeout(() => settle({ ok: false, message: `not done in ${jobMs / 1000} s` }), jobMs);
    child.on('message', settle);
    child.on('exit', onExit);
    child.send(job);
  });
}
