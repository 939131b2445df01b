/** The long run: a million tunnels through the product, and how much memory it holds meanwhile. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { startDestination, startLoad } from './load/processes.ts';
import { descriptorLimit } from './options.ts';
import { listPeers, product } from './peers/catalog.ts';
import { launch } from './peers/running.ts';
import { readUsage } from './process-tree.ts';

const usage = `npm run bench:soak -- [--connections N] [--every N]

  --connections  tunnels opened and closed in all (1000000)
  --every        how often the resident size is read; the first reading is what the others are held to (100000)
`;

/** How far a later reading may lie above the first. */
const allowedGrowth = 1.1;
/** One job of the load; it has to be done within the time that a job may take. */
const jobConnections = 10_000;
const inFlight = 16;

const say = (text: string) => void process.stdout.write(`${text}\n`);

/** Resident kilobytes after each so many connections. */
async function soak(total: number, every: number, folder: string): Promise<readonly number[]> {
  const peer = listPeers(folder, { workers: 1, checkouts: [] }).find(({ name }) => name === product);
  if (!peer) throw new Error('the product is not in the list');
  const destination = await startDestination();
  const load = await startLoad();
  const running = await launch(peer, { destination, folder, workers: 1, clients: 1000, files: descriptorLimit() });
  const readings: number[] = [];
  try {
    for (let done = 0; done < total;) {
      const until = Math.min(done + every, total);
      const before = readUsage(running.pid ?? 0).cpuSeconds;
      const first = done;
      while (done < until) {
        const count = Math.min(jobConnections, until - done);
        await load.run({ type: 'connections', route: running.route, count, inFlight });
        done += count;
      }
      const { residentKb, cpuSeconds } = readUsage(running.pid ?? 0);
      readings.push(residentKb);
      const perThousand = ((cpuSeconds - before) * 1e6) / (done - first);
      say(
        `${done} connections: ${(residentKb / 1024).toFixed(1)} MB resident, ${perThousand.toFixed(0)} CPU ms / 1,000`,
      );
    }
  } finally {
    await running.stop();
    load.stop();
    destination.stop();
  }
  return readings;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string', default: '1000000' },
      every: { type: 'string', default: '100000' },
      help: { type: 'boolean', default: false },
    },
  });
  const [total, every] = [Number(values.connections), Number(values.every)];
  if (values.help || !(total > 0) || !(every > 0)) {
    say(usage);
    return values.help ? 0 : 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'lockdown-soak-'));
  chmodSync(folder, 0o755);
  try {
    const [first = Number.NaN, ...later] = await soak(total, every, folder);
    const growth = Math.max(first, ...later) / first;
    const isFlat = growth <= allowedGrowth;
    say(`${isFlat ? 'flat' : 'not flat'}: at most ${growth.toFixed(2)} x the first reading, allowed ${allowedGrowth}`);
    return isFlat ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main();
