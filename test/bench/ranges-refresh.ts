/**
 * What a refresh costs tunnels: `node test/bench/ranges-refresh.ts` carries data through a proxy in this thread, lets
 * it fetch the whole public file over and over, and prints the longest time in which its event loop did not turn. On a
 * machine that is busy otherwise that time says little, so beside it stands the most processor time that the thread
 * used between two turns. Clients, destination and publisher live in another thread. Without the published files
 * their like is made up.
 */
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import type { RangeEndpoints } from '../../src/state/range-endpoints.ts';
import { startProxy } from '../support/proxy.ts';
import { createRangesPublisher, serviceTagsJson } from '../support/ranges-publisher.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { plainLoopback } from '../support/tunnel.ts';

/** Where it stands, so that a worse figure is seen as such; in milliseconds. */
const boundMs = 20;
const tunnels = 8;
const refreshes = 10;
const folder = resolve(import.meta.dirname, '../../../shared/data/service-tags');
const files = ['ServiceTags_Public_20250908.json', 'ServiceTags_Public_20251028.json'];

interface Load {
  readonly endpoints: RangeEndpoints;
  readonly port: number;
}

/** Two documents of the published size that differ, so that each refresh brings new ranges. */
function documents(): readonly string[] {
  const paths = files.map((name) => resolve(folder, name));
  if (paths.every((path) => existsSync(path))) return paths.map((path) => readFileSync(path, 'utf8'));
  const networks = Array.from({ length: 13_000 }, (_, at) => `20.${at >> 8}.${at & 255}.0/24`);
  const others = Object.fromEntries(
    Array.from({ length: 80 }, (_, at) => [`Other${at}`, networks.slice(at * 100, at * 100 + 1000)]),
  );
  return [1, 2].map((drop) => serviceTagsJson({ tags: { AzureCloud: networks.slice(drop), ...others } }));
}

/** The other thread: publishes, echoes, and carries data through the proxy that it is told of. */
async function carry(): Promise<void> {
  const publisher = await createRangesPublisher();
  const texts = documents();
  let count = 0;
  publisher.publish({
    'ServiceTags_Public_20251028.json': (_request, response) => void response.end(texts[count++ % texts.length]),
  });
  const destination = createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));
  await new Promise<void>((listening) => destination.listen(0, '127.0.0.1', listening));
  const { port } = destination.address() as AddressInfo;
  let bytes = 0;
  parentPort?.on('message', (proxyPort: number | null) => {
    if (proxyPort === null) {
      parentPort?.postMessage(bytes, []);
      bytes = 0;
      return;
    }
    for (let at = 0; at < tunnels; at++) {
      const socket = connect(proxyPort, '127.0.0.1', () => socket.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`));
      socket.on('error', () => socket.destroy());
      // A chunk goes around and around: each that comes back is followed by the next.
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        socket.write(bytes === chunk.length ? Buffer.alloc(16_384, 7) : chunk);
      });
    }
  });
  parentPort?.postMessage({ endpoints: publisher.endpoints, port } satisfies Load, []);
}

interface Stall {
  readonly waitMs: number;
  readonly busyMs: number;
}

/** Looks at each turn of the event loop how much processor time this thread has used since the last. */
function watchProcessor(): { stop(): number } {
  const used = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let before = used();
  let most = 0;
  let isOn = true;
  const turn = (): void => {
    const now = used();
    most = Math.max(most, now - before);
    before = now;
    if (isOn) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    stop: () => {
      isOn = false;
      return most;
    },
  };
}

async function measure(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url));
  const answers: unknown[] = [];
  let wake = (): void => undefined;
  worker.on('message', (answer) => {
    answers.push(answer);
    wake();
  });
  const answer = async (): Promise<unknown> => {
    while (answers.length === 0) await new Promise<void>((next) => (wake = next));
    return answers.shift();
  };
  const { endpoints, port } = (await answer()) as Load;
  using cache = createTempFolder();
  await using proxy = await startProxy({
    config: `${plainLoopback}ranges: { cacheDir: "${cache.path}", maxShrinkPercent: 100 }`,
    rules: [`ip:127.0.0.1:${port}`, 'tag:AzureCloud', 'tag:Storage', 'https://a.example within tag:AzureBackup'],
    ranges: { listFolder: resolve(import.meta.dirname, '../../allowlist'), endpoints },
  });
  worker.postMessage(proxy.port, []);
  await pause(1000);

  const delay = monitorEventLoopDelay({ resolution: 1 });
  const phase = async (name: string, run: () => Promise<unknown>): Promise<Stall> => {
    worker.postMessage(null, []);
    await answer();
    delay.reset();
    delay.enable();
    const processor = watchProcessor();
    const startMs = performance.now();
    await run();
    const seconds = (performance.now() - startMs) / 1000;
    delay.disable();
    const busyMs = processor.stop();
    worker.postMessage(null, []);
    const megabytes = Number(await answer()) / 2 ** 20;
    const waitMs = delay.max / 1e6;
    process.stdout.write(
      `${name.padEnd(18)} longest stall ${waitMs.toFixed(1).padStart(6)} ms, of processor time ` +
        `${busyMs.toFixed(1).padStart(5)} ms; ${(megabytes / seconds).toFixed(0)} MB/s, ${seconds.toFixed(1)} s\n`,
    );
    return { waitMs, busyMs };
  };
  await phase('tunnels alone', () => pause(3000));
  const stalls: Stall[] = [];
  for (let count = 1; count <= refreshes; count++) {
    const run = async (): Promise<void> => {
      const outcome = await proxy.app.ranges?.refresh({ force: true });
      if (outcome?.outcome !== 'refreshed') throw new Error(JSON.stringify(outcome));
    };
    stalls.push(await phase(`refresh ${count} of ${refreshes}`, run));
  }
  const [waitMs, busyMs] = [
    Math.max(...stalls.map((stall) => stall.waitMs)),
    Math.max(...stalls.map((stall) => stall.busyMs)),
  ];
  const verdict = (ms: number): string => `${ms.toFixed(1)} ms (${ms <= boundMs ? 'within' : 'OVER'} ${boundMs} ms)`;
  process.stdout.write(`longest stall: ${verdict(waitMs)}; of processor time: ${verdict(busyMs)}\n`);
  await worker.terminate();
}

await (isMainThread ? measure() : carry());
