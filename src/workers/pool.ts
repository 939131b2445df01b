/**
 * The workers of a proxy: started over listening sockets that outlive them, handed each generation, asked what they do,
 * replaced when they die. A worker that died takes its own tunnels with it and nothing else.
 */
import { createSecureContext } from 'node:tls';
import type { LoadedConfig } from '../config/load.ts';
import type { Endpoint } from '../config/values.ts';
import type { AccessLog } from '../observe/access-log.ts';
import type { ServiceLog } from '../observe/service-log.ts';
import type { Verifier } from '../state/verify.ts';
import type { Beginning, PrimaryCalls, Refusal, WorkerCounts } from './calls.ts';
import type { Crew, OnListening } from './crew.ts';
import type { Generation } from './generation.ts';
import { toGeneration } from './generation.ts';
import type { Ledger } from './ledger.ts';
import { createLedger } from './ledger.ts';
import { createRetired } from './retired.ts';
import { closingMs, within } from './serving.ts';
import type { SharedSocket } from './shared-socket.ts';
import { adoptSharedSocket, bindSharedSocket } from './shared-socket.ts';
import type { WorkerProcess } from './worker-process.ts';
import { firstSharedDescriptor, startWorker } from './worker-process.ts';

export interface PoolDeps {
  /** How many workers there are to be. */
  readonly size: number;
  readonly accessLog: Pick<AccessLog, 'write' | 'relay'>;
  /** The file that workers write lines to; null: this process writes them all. */
  readonly accessFile: string | null;
  readonly serviceLog: Pick<ServiceLog, 'info' | 'warn' | 'error'>;
  readonly verifier: Verifier;
  readonly viaName: string;
  readonly onListening: OnListening;
  /** Everything that the proxy listens on. */
  readonly ownListeners: () => readonly Endpoint[];
  readonly onRefused: (refusal: Refusal) => void;
}

/** A worker that has died is replaced after so long, in milliseconds: twice as long each time it does not live long. */
const firstPauseMs = 100;
const longestPauseMs = 10_000;
const longLifeMs = 60_000;
/** Who has not taken a generation in by then works by rules that are not in force, in milliseconds. */
const generationMs = 5000;
/** Who does not say what it does within this is left out of an answer, in milliseconds. */
const answerMs = 1000;
/** How often is asked what each has counted, so that little is lost with one that dies, and when one that never answers is ended. */
const countingMs = 5000;
const silenceMs = 60_000;
/** Lines may take two seconds to be written out, and the processes one to end. */
const endingMs = 3000;

export function createPool(deps: PoolDeps): Crew {
  const { size, serviceLog, verifier } = deps;
  const workers = new Set<WorkerProcess>();
  const leaving = new Set<WorkerProcess>();
  const sockets: SharedSocket[] = [];
  const retired = createRetired();
  /** What is in force, and what was at the start. */
  let generation: Generation | null = null;
  let began: (Pick<Beginning, 'format'> & Pick<LoadedConfig, 'listenerKeys'>) | null = null;
  let ledger: Ledger<WorkerProcess> | null = null;
  let isOpen = false;
  let isStopping = false;
  let looking: NodeJS.Timeout | undefined;
  let shortLives = 0;
  const onBug = (error: unknown) => serviceLog.error('internal_error', { error });

  const callsOf = (worker: () => WorkerProcess): PrimaryCalls => {
    const verifications = new Map<number, AbortController>();
    return {
      permits: (message) => ledger?.receive(worker(), message),
      lines: (text) => deps.accessLog.relay(text),
      limited: (record) => deps.accessLog.write('access', record),
      refused: deps.onRefused,
      log: ({ level, event, fields, message }) => serviceLog[level](event, { ...fields }, message),
      async verify({ id, attempt }) {
        const controller = new AbortController();
        verifications.set(id, controller);
        try {
          return await verifier.verify(attempt, controller.signal);
        } finally {
          verifications.delete(id);
        }
      },
      giveUp: (id) => verifications.get(id)?.abort(new Error('nobody waits any more')),
      failing() {
        if (!workers.delete(worker())) return;
        leaving.add(worker());
        ledger?.close(worker());
        replaceLater();
      },
      lastCounts: (counts) => void (worker().counts = counts),
    };
  };

  /** Starts one more; resolves when it accepts, and rejects when it does not come to that. */
  async function start(): Promise<void> {
    if (!generation || !began) throw new Error('nothing is in force');
    const { listenerKeys } = generation.loaded;
    const worker = startWorker(
      sockets.map(({ fd }) => fd),
      callsOf,
      onBug,
    );
    workers.add(worker);
    ledger?.add(worker);
    void worker.exited.then((how) => onExit(worker, how));
    try {
      await worker.ask('begin', {
        generation,
        // What it listens on, and whether in TLS, is as it was when the proxy began.
        sockets: began.listenerKeys.map((keys, index) => ({
          fd: firstSharedDescriptor + index,
          keys: keys && (listenerKeys[index] ?? keys),
        })),
        ownListeners: deps.ownListeners(),
        viaName: deps.viaName,
        accessFile: deps.accessFile,
        format: began.format,
      });
    } catch (error) {
      worker.kill();
      throw error;
    }
  }

  function onExit(worker: WorkerProcess, how: number | string): void {
    retired.add(worker.counts);
    leaving.delete(worker);
    ledger?.remove(worker);
    const wasWorking = workers.delete(worker);
    if (isStopping || !isOpen) return;
    const livedMs = performance.now() - worker.startedAt;
    serviceLog.error('worker_died', { worker: worker.pid, how, seconds: Math.round(livedMs / 1000) });
    if (livedMs > longLifeMs) shortLives = 0;
    if (wasWorking) replaceLater();
  }

  function replaceLater(): void {
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** shortLives++);
    setTimeout(() => {
      if (isStopping) return;
      start().then(
        () => serviceLog.info('worker_started', { workers: workers.size }),
        // It has ended, or ends now: that brings the next attempt.
        (error: unknown) => !isStopping && serviceLog.error('worker_not_started', { error }),
      );
    }, pauseMs).unref();
  }

  function endStuck(worker: WorkerProcess, why: string): void {
    serviceLog.error('worker_stuck', { worker: worker.pid }, `${why}: it is ended`);
    worker.kill();
  }

  /** What a worker has counted, or had when it was last asked. */
  async function countsOf(worker: WorkerProcess): Promise<WorkerCounts | null> {
    const asking = worker.ask('counts', null).then(
      (counts) => {
        worker.counts = counts;
        worker.heardAt = performance.now();
      },
      () => {},
    );
    await within(answerMs, asking);
    return worker.counts;
  }

  async function countAll(): Promise<readonly WorkerCounts[]> {
    const [before, ...now] = await Promise.all([retired.counts(), ...[...workers, ...leaving].map(countsOf)]);
    return [before, ...now].filter((counts) => counts !== null);
  }

  function look(): void {
    for (const worker of [...workers, ...leaving]) {
      if (performance.now() - worker.heardAt > silenceMs) endStuck(worker, 'it says nothing any more');
      else void countsOf(worker);
    }
  }

  async function hand(worker: WorkerProcess, next: Generation, recheck: boolean): Promise<number> {
    let closed: number | null = null;
    const asking = worker.ask('generation', { generation: next, recheck }).then(
      (count) => void (closed = count),
      // What it could not take, or could not say any more.
      () => {},
    );
    await within(generationMs, asking);
    if (closed === null && !worker.isGone())
      endStuck(worker, 'it did not take in the new configuration, and must not go on by the old');
    return closed ?? 0;
  }

  /** Asks all, and leaves out who does not answer. */
  async function askAll<T>(ask: (worker: WorkerProcess) => Promise<T>): Promise<readonly T[]> {
    const answers: T[] = [];
    const asking = [...workers, ...leaving].map((worker) =>
      ask(worker).then(
        (answer) => void answers.push(answer),
        () => {},
      ),
    );
    await within(answerMs, Promise.all(asking));
    return answers;
  }

  async function end(worker: WorkerProcess, deadlineMs: number): Promise<void> {
    const latest = setTimeout(() => worker.kill(), deadlineMs + closingMs + endingMs);
    await worker.ask('stop', deadlineMs).then(
      (counts) => void (worker.counts = counts),
      () => {},
    );
    worker.release();
    await worker.exited;
    clearTimeout(latest);
  }

  return {
    async open({ loaded, document, snapshot }, descriptors) {
      generation = toGeneration(loaded, snapshot.generation, document);
      began = { listenerKeys: loaded.listenerKeys, format: loaded.config.log.format };
      ledger = createLedger(loaded.config.limits, size, (worker, message) => worker.tell('permits', message));
      for (const [index, endpoint] of loaded.config.listen.entries()) {
        const fd = descriptors[index];
        const socket = fd === undefined ? bindSharedSocket(endpoint) : adoptSharedSocket(fd);
        sockets.push(socket);
        deps.onListening(index, socket.bound, fd !== undefined);
      }
      await Promise.all(Array.from({ length: size }, start));
      isOpen = true;
      looking = setInterval(look, countingMs).unref();
    },
    replace({ loaded, document, snapshot }, recheck) {
      for (const keys of loaded.listenerKeys) {
        if (keys) createSecureContext({ cert: keys.cert, key: keys.key, ...(keys.clientCa && { ca: keys.clientCa }) });
      }
      const next = toGeneration(loaded, snapshot.generation, document);
      generation = next;
      ledger?.setLimits(loaded.config.limits);
      const handing = [...workers, ...leaving].map((worker) => hand(worker, next, recheck));
      return Promise.all(handing).then((closed) => closed.reduce((all, count) => all + count, 0));
    },
    tunnels: async () => (await askAll((worker) => worker.ask('tunnels', null))).flat(),
    async workers() {
      const found = await askAll(async (worker) => {
        const { length: tunnels } = await worker.ask('tunnels', null);
        return { pid: worker.pid, tunnels };
      });
      return found.toSorted((a, b) => a.pid - b.pid);
    },
    close: async (id) => (await askAll((worker) => worker.ask('close', id))).includes(true),
    reopenLogs() {
      for (const worker of [...workers, ...leaving]) worker.tell('reopen', null);
    },
    async stop(deadlineMs) {
      isStopping = true;
      clearInterval(looking);
      const ending = [...workers, ...leaving].map((worker) => end(worker, deadlineMs));
      // Workers accept until they have read the message; what waits in the sockets is lost with the last of them.
      for (const socket of sockets) socket.close();
      await Promise.all(ending);
    },
    abandon() {
      for (const worker of [...workers, ...leaving]) worker.kill();
    },
    openExchanges: () => [],
    connections: () => [...workers, ...leaving].reduce((all, { counts }) => all + (counts?.connections ?? 0), 0),
    tunnelsHere: () => 0,
    processes: {
      count: () => workers.size,
      metrics: async () => (await countAll()).map(({ metrics }) => metrics),
      figures: async (sinceMs) =>
        (await countAll()).map(({ figures }) => ({
          ...figures,
          history: figures.history.filter(({ atMs }) => atMs >= sinceMs),
        })),
    },
  };
}
