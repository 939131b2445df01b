/** The benchmark: the product and every peer found here do the same work in turn, round after round. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { startDestination, startLoad } from './load/processes.ts';
import { measures, warm } from './measure.ts';
import type { Step } from './metrics.ts';
import type { BenchOptions } from './options.ts';
import { readOptions, usage } from './options.ts';
import type { Peer } from './peers/catalog.ts';
import { bareListener, listPeers, product } from './peers/catalog.ts';
import type { LaunchOptions, Running } from './peers/running.ts';
import { launch } from './peers/running.ts';
import { placeApart } from './placing.ts';
import { formatResults, toJson } from './report.ts';
import { createResults } from './results.ts';

/** Steps that want a peer started for them alone; the others share one that lives through all rounds. */
const freshSteps: readonly Step[] = ['start', 'idle'];
/** Connections that a peer is configured for where it is not asked to hold many. */
const usualClients = 400;
/** Memory moves little from round to round and takes long to measure. */
const idleRounds = 3;

const say = (text: string) => void process.stderr.write(`${text}\n`);
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** The peers that are here and asked for; says what would bring the others. */
function choosePeers(options: BenchOptions, cacheFolder: string): readonly Peer[] {
  const wanted = listPeers(cacheFolder, options).filter(
    ({ name, role }) =>
      name === product || role === 'none' || role === 'version' || (options.peers?.includes(name) ?? true),
  );
  const isHere = (peer: Peer) => peer.program !== null || peer.role === 'none';
  const missing = wanted.filter((peer) => !isHere(peer)).map(({ install }) => install ?? '');
  const packages = missing.filter((word) => !word.includes(' '));
  if (packages.length > 0) say(`Missing: apt-get install ${packages.join(' ')}`);
  for (const command of missing.filter((word) => word.includes(' '))) say(`Missing: ${command}`);
  return wanted.filter(isHere);
}

async function run(options: BenchOptions, folder: string): Promise<void> {
  const cacheFolder = join(folder, 'cache');
  mkdirSync(cacheFolder);
  const peers = choosePeers(options, cacheFolder);
  if (options.idleWanted > options.amounts.idle) {
    say(`${options.files} descriptors (ulimit -Hn) leave room for ${options.amounts.idle} idle tunnels`);
  }
  const columns = options.steps.includes('start') ? [...peers, bareListener(cacheFolder)] : peers;
  const results = createResults(columns);
  const destination = await startDestination();
  const load = await startLoad();
  const { workers, files } = options;
  const common: LaunchOptions = { destination, folder, workers, clients: usualClients, files };

  const tryStep = async (running: Running, step: Step) => {
    const undo = placeApart(options.apart ? running.pid : null);
    try {
      for (const sample of await measures[step](running, load, options.amounts)) results.add(running.peer, sample);
    } catch (error) {
      results.miss(running.peer, step, running.fate() ?? messageOf(error));
    } finally {
      undo();
    }
  };
  const tryLaunch = async (peer: Peer, what: string, launchOptions: LaunchOptions) => {
    try {
      return await launch(peer, launchOptions);
    } catch (error) {
      results.miss(peer, what, messageOf(error));
      return null;
    }
  };
  const measureFresh = async (peer: Peer, step: Step) => {
    const clients = step === 'idle' ? options.amounts.idle + usualClients : usualClients;
    const running = await tryLaunch(peer, step, { ...common, clients });
    if (!running) return;
    await tryStep(running, step);
    await running.stop();
  };

  try {
    // Starts are compared with code compiled before, so one start comes before those that count.
    const able: Peer[] = [];
    for (const peer of columns) {
      const first = await tryLaunch(peer, 'first start', common);
      if (first) able.push(peer);
      else if (peer.name === product) throw new Error(`the product does not start\n${results.misses.join('\n')}`);
      await first?.stop();
    }
    const lasting = options.steps.filter((step) => !freshSteps.includes(step));
    const running: Running[] = [];
    for (const peer of lasting.length > 0 ? able.filter(({ role }) => role !== 'bare') : []) {
      const isProfiled = peer.name === product && options.profile !== null;
      const one = await tryLaunch(peer, 'start', isProfiled ? { ...common, wrap: profiled(options.profile) } : common);
      if (!one) continue;
      running.push(one);
      await warm(one, load, lasting, options.amounts, peer.workers ?? workers).catch((error: unknown) =>
        results.miss(peer, 'warm-up', messageOf(error)),
      );
    }
    for (let round = 0; round < options.rounds; round++) {
      const started = performance.now();
      // Nobody always comes first, or behind the same one.
      for (const one of rotate(running, round)) for (const step of lasting) await tryStep(one, step);
      for (const peer of rotate(able, round)) {
        const isCounted = peer.role !== 'none';
        if (isCounted && options.steps.includes('start')) await measureFresh(peer, 'start');
        const holds = isCounted && peer.role !== 'bare' && round < idleRounds;
        if (holds && options.steps.includes('idle')) await measureFresh(peer, 'idle');
      }
      say(`round ${round + 1} of ${options.rounds}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
    }
    await Promise.all(running.map((one) => one.stop()));
  } finally {
    load.stop();
    destination.stop();
  }
  process.stdout.write(options.json ? toJson(results, columns, options) : formatResults(results, columns, options));
}

function rotate<T>(list: readonly T[], by: number): readonly T[] {
  const start = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

/** Node's own profiler around a command that begins with Node. */
function profiled(folder: string | null): NonNullable<LaunchOptions['wrap']> {
  return ([node = '', ...words]) => [node, '--cpu-prof', `--cpu-prof-dir=${resolve(folder ?? '.')}`, ...words];
}

async function main(): Promise<number> {
  let options: BenchOptions | null;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    say(`${messageOf(error)}\n\n${usage}`);
    return 2;
  }
  if (!options) {
    process.stdout.write(usage);
    return 0;
  }
  const folder = mkdtempSync(join(tmpdir(), 'lockdown-bench-'));
  chmodSync(folder, 0o755);
  try {
    await run(options, folder);
    return 0;
  } catch (error) {
    say(messageOf(error));
    return 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main();
