/**
 * A worker: a process that serves clients by what the primary hands it, and knows neither configuration files nor
 * signals. Without a primary there is nobody to tell it of new rules, so it drains and ends.
 */
import process from 'node:process';
import type { AccessLog } from '../observe/access-log.ts';
import { createAccessLog } from '../observe/access-log.ts';
import { describeFields } from '../observe/service-log.ts';
import type { WorkerReport } from '../observe/worker-report.ts';
import { createWorkerReport } from '../observe/worker-report.ts';
import { createMachine } from '../state/machine.ts';
import type { Beginning, PrimaryCalls, ServiceLine, WorkerCalls, WorkerCounts } from './calls.ts';
import { refusalOf } from './calls.ts';
import type { Channel } from './channel.ts';
import { createChannel } from './channel.ts';
import type { Generation } from './generation.ts';
import { toSnapshot } from './generation.ts';
import { createLeases } from './leases.ts';
import { createRelayedLines } from './relayed-lines.ts';
import { createRelayedVerifier } from './relayed-verifier.ts';
import type { Serving } from './serving.ts';
import { createServing } from './serving.ts';

/** How long exchanges may go on after an exception that nobody caught, in milliseconds. */
const crashDrainMs = 5000;
/** How often permits are given back that lie unused, in milliseconds. */
const restMs = 5000;
/** How long lines may take to be written out at the end, in milliseconds. */
const flushMs = 2000;

interface Parts {
  readonly serving: Serving;
  readonly accessLog: AccessLog;
  readonly report: WorkerReport;
}

/** Works until the primary says stop, is gone, or a bug ends it; gives the exit code. */
export function work(): Promise<number> {
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  let begun = Promise.resolve();
  let parts: Parts | null = null;
  let rules = 0;
  let isStopping = false;
  const send = (message: object, onSent: (error: Error | null) => void = () => {}) => {
    if (process.connected && process.send) process.send(message, undefined, undefined, onSent);
    else onSent(new Error('the primary is gone'));
  };
  const say =
    (level: ServiceLine['level']) =>
    (event: string, fields: Record<string, unknown> = {}, message?: string) =>
      primary.tell('log', { level, event, fields: { ...describeFields(fields), worker: process.pid }, message });
  const serviceLog = { info: say('info'), warn: say('warn'), error: say('error') };
  const started = (): Parts => {
    if (!parts) throw new Error('nothing was begun');
    return parts;
  };

  function openAccessLog({ accessFile, format }: Beginning): AccessLog {
    const onDrop = (count: number) => serviceLog.warn('access_log_dropped', { count });
    const relay = (text: string, onSent: (isSent: boolean) => void) =>
      send({ kind: 'call', name: 'lines', given: text, id: null }, (error) => onSent(error === null));
    return createAccessLog({
      destination: accessFile ?? '-',
      format,
      onDrop,
      onError: (error) => serviceLog.error('access_log_failed', { error }),
      onLimited: (record) => primary.tell('limited', record),
      ...(accessFile === null && { sink: createRelayedLines(relay, onDrop) }),
    });
  }

  async function begin(beginning: Beginning): Promise<void> {
    const { generation, sockets, ownListeners, viaName } = beginning;
    const machine = createMachine();
    for (const { address, port } of ownListeners) machine.addListener(address, port);
    const accessLog = openAccessLog(beginning);
    const serving = await createServing(toSnapshot(generation), {
      accessLog,
      serviceLog,
      machine,
      verifier: createRelayedVerifier(() => primary),
      admission: leases,
      viaName,
      onExchange(record) {
        report.noteExchange(record);
        const refusal = refusalOf(record);
        if (refusal) primary.tell('refused', refusal);
      },
    });
    const report = createWorkerReport(
      {
        current: serving.current,
        openExchanges: serving.exchanges,
        tunnelsOpen: () => serving.tunnels.list().length,
        accessLog,
      },
      () => rules,
    );
    parts = { serving, accessLog, report };
    rules = generation.rules.length;
    for (const { fd, keys } of sockets) await serving.listenOn(fd, keys);
  }

  function replace({ generation, recheck }: { readonly generation: Generation; readonly recheck: boolean }): number {
    const { serving } = started();
    serving.replace(toSnapshot(generation), generation.loaded.listenerKeys);
    rules = generation.rules.length;
    return recheck ? serving.recheck() : 0;
  }

  async function count(): Promise<WorkerCounts> {
    const { report, serving } = started();
    return { connections: serving.connections(), metrics: await report.metrics(), figures: report.figures(0) };
  }

  async function drain(deadlineMs: number): Promise<void> {
    if (!parts) return;
    await parts.serving.stop(deadlineMs);
    await parts.accessLog.close(flushMs);
    parts.report.close();
  }

  /** Nobody asked for it: the rest of the proxy goes on. */
  function leave(deadlineMs: number, code: number): void {
    if (isStopping) return;
    isStopping = true;
    const leaving = drain(deadlineMs).then(async () => {
      if (!parts) return;
      const given = await count();
      await new Promise((sent) => send({ kind: 'call', name: 'lastCounts', given, id: null }, sent));
    });
    leaving.then(
      () => end(code),
      () => end(1),
    );
  }

  const leases = createLeases((message) => primary.tell('permits', message));
  const calls: WorkerCalls = {
    permits: (message) => leases.receive(message),
    begin: (beginning) => (begun = begin(beginning)),
    async generation(next) {
      // One may come while the worker still makes its parts from the one before.
      await begun;
      return replace(next);
    },
    tunnels: () =>
      started()
        .serving.tunnels.list()
        .map(({ record }) => record),
    close: (id) => started().serving.tunnels.close(id),
    counts: count,
    reopen: () => started().accessLog.reopen(),
    async stop(deadlineMs) {
      isStopping = true;
      await drain(deadlineMs);
      return count();
    },
  };
  const primary: Channel<PrimaryCalls> = createChannel<PrimaryCalls>(send, calls, (error) =>
    serviceLog.error('internal_error', { error }),
  );
  setInterval(() => leases.rest(), restMs).unref();
  process.on('message', (message) => primary.receive(message));
  process.on('disconnect', () => {
    primary.close();
    leases.close();
    if (isStopping) end(0);
    else leave(parts?.serving.current().config.drain.deadlineMs ?? 0, 0);
  });
  // Signals are the primary's: a terminal sends them to all, and this process must not end before it is told to.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => {});
  process.on('uncaughtException', (error) => {
    serviceLog.error('uncaught_exception', { error });
    primary.tell('failing', null);
    leave(crashDrainMs, 1);
  });
  return ended;
}
