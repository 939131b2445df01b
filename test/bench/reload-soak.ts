/** A thousand reloads under load: no exchange may be lost, no tunnel cut that no rule refuses, and no memory may stay. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { RunningStatus } from '../../src/cli/running-status.ts';
import { createDestination, echo } from '../support/destination.ts';
import type { OperatedProxy } from '../support/operated-proxy.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import type { Tunnel } from '../support/tunnel.ts';
import { openTunnel } from '../support/tunnel.ts';

const usage = `npm run soak -- [--reloads N] [--held N] [--clients N] [--workers N]

  --reloads  reloads in all, each with other rules than the one before (1000)
  --held     tunnels that stay open over all of them (100)
  --clients  clients that open, use and close tunnels meanwhile (8)
  --workers  processes that serve (1)
`;

/** How far the resident size at the end may lie above that after two fifths of the reloads, when all code is warm. */
const allowedGrowth = 1.15;
/** The collector takes its time where there is room: with little of it, what stays is what is held. */
const smallHeap = '--max-semi-space-size=2 --max-old-space-size=96';
const say = (text: string) => void process.stdout.write(`${text}\n`);

interface Load {
  readonly failures: string[];
  count: number;
  isOver: boolean;
}

/** Opens a tunnel, sends through it, closes it, again and again. */
async function useTunnels(port: number, target: string, load: Load): Promise<void> {
  while (!load.isOver) {
    try {
      await using tunnel = await openTunnel(port, target, { early: 'hello' });
      if ((await tunnel.contentOf(5)).toString() !== 'hello') throw new Error(`answered ${tunnel.startLine}`);
      tunnel.wire.end();
      await tunnel.rest();
      load.count++;
    } catch (error) {
      load.failures.push(String(error));
    }
  }
}

/** Of all of its processes. */
function residentMb({ pid, workers }: RunningStatus): number {
  const sizes = [...new Set([pid, ...workers.map((worker) => worker.pid)])].map((one) =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/status`, 'utf8'))?.[1] ?? 0),
  );
  return sizes.reduce((all, size) => all + size, 0) / 1024;
}

/** Reloads so often, and gives the resident size after each fifth, in megabytes. */
async function reloadOften(
  proxy: OperatedProxy,
  reloads: number,
  rule: string,
  load: Load,
): Promise<readonly number[]> {
  const status = (await proxy.ask('status')) as RunningStatus;
  const sizes: number[] = [];
  const started = performance.now();
  for (let index = 1; index <= reloads; index++) {
    const others = Array.from({ length: 200 }, (_, at) => `n${at}-${index}.example.com`);
    proxy.writeRules(rule, ...others);
    const { result } = (await proxy.ask('reload')) as { readonly result: string };
    if (result !== 'done') throw new Error(`reload ${index}: ${result}`);
    if (index % Math.ceil(reloads / 5) > 0) continue;
    sizes.push(residentMb(status));
    const each = (performance.now() - started) / index;
    say(
      `${index} reloads, ${each.toFixed(1)} ms each, ${load.count} exchanges, ${sizes.at(-1)?.toFixed(1)} MB resident`,
    );
  }
  return sizes;
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const;
  const options = { reloads: text, held: text, clients: text, workers: text, help: { type: 'boolean' } } as const;
  const { values } = parseArgs({ options });
  if (values.help) {
    say(usage);
    return 0;
  }
  const [reloads, held, clients] = [values.reloads ?? '1000', values.held ?? '100', values.clients ?? '8'].map(
    Number,
  ) as [number, number, number];
  const destination = await createDestination(echo);
  const target = `127.0.0.1:${destination.port}`;
  const rule = `ip:${target}`;
  await using proxy = await operateProxy({
    rules: [rule],
    config: `reload: { watch: false }\nworkers: ${Number(values.workers ?? 1)}`,
    env: { NODE_OPTIONS: smallHeap },
  });
  const tunnels: Tunnel[] = [];
  for (let index = 0; index < held; index++) tunnels.push(await openTunnel(proxy.port, target));
  const load: Load = { failures: [], count: 0, isOver: false };
  const users = Array.from({ length: clients }, () => useTunnels(proxy.port, target, load));
  const sizes = await reloadOften(proxy, reloads, rule, load);
  load.isOver = true;
  await Promise.all(users);
  for (const tunnel of tunnels) {
    await tunnel.wire.write('still');
    if ((await tunnel.contentOf(5)).toString() !== 'still') load.failures.push('a held tunnel is gone');
    tunnel.wire.end();
    await tunnel.rest();
  }
  proxy.signal('SIGTERM');
  const code = await proxy.exited;
  const expected = load.count + held;
  const growth = (sizes.at(-1) ?? 0) / (sizes[1] ?? 1);
  say(`${expected} exchanges, ${proxy.records.length} lines, ${load.failures.length} failures, exit ${code}`);
  say(`resident size grew by a factor of ${growth.toFixed(2)} (allowed ${allowedGrowth})`);
  for (const failure of load.failures.slice(0, 5)) say(failure);
  await destination.close();
  const isWhole = proxy.records.length === expected && load.failures.length === 0 && code === 0;
  return isWhole && growth <= allowedGrowth ? 0 : 1;
}

process.exitCode = await main();
