/** Run with `--expose-gc`: prints whether an old snapshot is held while its tunnel flows, and whether after it has ended. */
import { setImmediate as turn } from 'node:timers/promises';
import { loadConfig } from '../../src/config/load.ts';
import { createDestination, echo } from './destination.ts';
import { startProxy } from './proxy.ts';
import { openTunnel, plainLoopback } from './tunnel.ts';

const collect = (globalThis as unknown as { readonly gc: () => void }).gc;

async function isCollected(reference: WeakRef<object>): Promise<boolean> {
  for (let round = 0; round < 50 && reference.deref() !== undefined; round++) {
    await turn();
    collect();
  }
  return reference.deref() === undefined;
}

const destination = await createDestination(echo);
const proxy = await startProxy({ rules: [`ip:127.0.0.1:${destination.port}`], config: plainLoopback });
const tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`, { early: 'x' });
await tunnel.contentOf(1);
const old = new WeakRef(proxy.app.snapshot());
await proxy.app.replace(
  loadConfig({
    file: '/config.yaml',
    readFile: (path) => (path === '/config.yaml' ? `${plainLoopback}allowlist: ["./next.txt"]\n` : 'www.example.com\n'),
    listFolder: '/lists',
    cloud: 'public',
    networks: () => [],
  }),
);
const whileOpen = await isCollected(old);
tunnel.wire.end();
await proxy.record();
process.stdout.write(`${JSON.stringify({ whileOpen, afterwards: await isCollected(old) })}\n`);
await proxy.app.stop(0);
await destination.close();
process.exit(0);
