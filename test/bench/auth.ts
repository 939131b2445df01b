/**
 * What signing in costs everybody else: `npm run bench:auth` serves in this thread, with clients in other threads.
 *
 * First 200 clients with names of their own sign in at once, and the event loop's delay is measured. Then an
 * authenticated tunnel carries data, by turns alone and beside 1,000 wrong guesses a second; in between the same guesses
 * go to a bare listener, which tells what of a difference is the machine's and not the proxy's. On a machine that is
 * busy otherwise wall time says little: beside it stands the processor time that this thread used between two turns.
 * The same goes for guesses: the processor time of this thread for one is what they take from a tunnel that could use
 * all of it, and a bare server of the platform in the same thread tells how little it could be.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { createAccessLog } from '../../src/observe/access-log.ts';
import { startProxy } from '../support/proxy.ts';
import { plainLoopback } from '../support/tunnel.ts';
import type { Load, LoadTask } from './auth-load.ts';

const clients = 200;
const guessesPerSecond = 1000;
const rounds = 15;
const roundMs = 1000;
/** So long guesses come before anything is measured: first they use up what a user's strangers may get wrong at once. */
const leadMs = 1000;
/** From the lead to a moment after the round, so that no part of a round is without guesses. */
const guessMs = leadMs + roundMs + 250;
/** Where they stand, so that a worse figure is seen as such. */
const bounds = { delayMs: 20, slowdownPercent: 10 };

/** Cost 10, as `users add` writes it; every user has the same password, for what is measured is its verification. */
const stored = '$2y$10$fnMDzBumKFzEQgpuC0OH9.x/zJrFFGFjXt/z1pIpNANA.H7.BG7Du';
const password = 'bench';
const userNames = ['tunnel', ...Array.from({ length: clients }, (_, at) => `user${at}`)];

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function p99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.NaN;
}

/** A thread of clients; `ask` gives it a task and waits for its figure. */
function startLoad() {
  const worker = new Worker(fileURLToPath(new URL('auth-load.ts', import.meta.url)));
  return {
    ask: (task: LoadTask): Promise<Load> =>
      new Promise((resolve, reject) => {
        worker.once('error', reject);
        worker.once('message', (load: Load) => {
          worker.off('error', reject);
          resolve(load);
        });
        worker.postMessage(task, []);
      }),
    close: () => worker.terminate(),
  };
}

/** Delay of this thread's event loop while something happens, and the processor time that it used between two turns. */
async function watchLoop(run: () => Promise<unknown>): Promise<{ delayMs: number; busyMs: number }> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const busy: number[] = [];
  let before = process.threadCpuUsage();
  delays.enable();
  const timer = setInterval(() => {
    const { user, system } = process.threadCpuUsage(before);
    before = process.threadCpuUsage();
    busy.push((user + system) / 1000);
  }, 1);
  await run();
  clearInterval(timer);
  delays.disable();
  return { delayMs: delays.percentile(99) / 1e6, busyMs: p99(busy) };
}

const tunnel = startLoad();
const guesser = startLoad();
const { destination } = await tunnel.ask({ type: 'listen' });
const folder = mkdtempSync(join(tmpdir(), 'bench-auth-'));
process.on('exit', () => rmSync(folder, { recursive: true }));
await using proxy = await startProxy({
  accessLog: createAccessLog({ destination: join(folder, 'access.log'), format: 'json' }),
  config: `${plainLoopback}auth: {usersFile: ./users, requiredFrom: ["127.0.0.0/8"]}\n`,
  rules: [`ip:127.0.0.1:${destination}`],
  users: userNames.map((name) => `${name}:${stored}`),
});
const say = (text: string) => void process.stdout.write(`${text}\n`);

const idle = await watchLoop(() => pause(3000));
let signedInMs = 0;
const signingIn = await watchLoop(async () => {
  const started = performance.now();
  const { count } = await guesser.ask({ type: 'sign-in', port: proxy.port, destination, clients, password });
  signedInMs = performance.now() - started;
  if (count !== clients) throw new Error(`${count} of ${clients} signed in`);
});
say(`${clients} clients sign in at once: ${(signedInMs / 1000).toFixed(1)} s until the last is in`);
say(
  `  event loop, 99th percentile: delay ${signingIn.delayMs.toFixed(1)} ms (idle ${idle.delayMs.toFixed(1)} ms), ` +
    `processor time between two turns ${signingIn.busyMs.toFixed(1)} ms; bound ${bounds.delayMs} ms`,
);

/** A server that only refuses, in this thread: what the platform takes for a connection, a request head and an answer. */
const bare = createServer().on('connect', (_request, socket) => {
  socket.on('error', () => socket.destroy()).resume();
  socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
});
await new Promise<void>((listening) => bare.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, listening));

/** Processor time of this thread for one wrong guess, in microseconds. */
async function costOfGuess(port: number): Promise<number> {
  const before = process.threadCpuUsage();
  const { count } = await guesser.ask({ type: 'guess', port, perSecond: guessesPerSecond, ms: roundMs, user: 'user0' });
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / count;
}

const costs: { ours: number; bare: number }[] = [];
for (let round = 0; round < rounds; round++) {
  const ours = await costOfGuess(proxy.port);
  costs.push({ ours, bare: await costOfGuess((bare.address() as AddressInfo).port) });
}
bare.close();
const ours = median(costs.map((cost) => cost.ours));
say(
  `a wrong guess: ${ours.toFixed(0)} us of the serving thread, of which ` +
    `${median(costs.map((cost) => cost.bare)).toFixed(0)} us a bare server takes; ` +
    `${guessesPerSecond} a second: ${((ours * guessesPerSecond) / 1e4).toFixed(0)} % of a core`,
);

const ways = ['alone', 'beside', 'under guesses'] as const;
/** Bytes a second of a tunnel that carries what it can, and of one that carries 50 MB/s. */
const kinds = { 'as fast as it can': null, 'at 50 MB/s': 50_000_000 } as const;
const { destination: listener } = await guesser.ask({ type: 'listen' });
for (const [kind, bytesPerSecond] of Object.entries(kinds)) {
  const rates: Record<(typeof ways)[number], number[]> = { alone: [], beside: [], 'under guesses': [] };
  let guesses = 0;
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) {
      const target = way === 'beside' ? listener : proxy.port;
      const guessing =
        way === 'alone'
          ? null
          : guesser.ask({ type: 'guess', port: target, perSecond: guessesPerSecond, ms: guessMs, user: 'user0' });
      await pause(leadMs);
      const { count } = await tunnel.ask({
        type: 'carry',
        port: proxy.port,
        destination,
        ms: roundMs,
        password,
        bytesPerSecond,
      });
      rates[way].push(count / (roundMs / 1000));
      if (way === 'under guesses') guesses += (await guessing)?.count ?? 0;
      else await guessing;
    }
  }
  const ratio = (a: (typeof ways)[number], b: (typeof ways)[number]) =>
    median(rates[a].map((rate, at) => rate / (rates[b][at] ?? Number.NaN)));
  const perSecond = guesses / rounds / (guessMs / 1000);
  say(`an authenticated tunnel ${kind}, ${Math.round(perSecond)} wrong guesses a second answered:`);
  for (const way of ways) say(`  ${way.padEnd(14)} ${(median(rates[way]) / 1e6).toFixed(0)} MB/s`);
  say(`  under guesses : alone  ${ratio('under guesses', 'alone').toFixed(3)}`);
  say(
    `  under guesses : beside ${ratio('under guesses', 'beside').toFixed(3)}; bound ${(1 - bounds.slowdownPercent / 100).toFixed(2)}`,
  );
}
await tunnel.close();
await guesser.close();
