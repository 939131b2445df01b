/** The jobs themselves. */
import type { Job, Outcomes, Percentiles } from './job.ts';
import { writeFrame } from './opening.ts';
import type { Frame } from './opening.ts';
import { fetchPlain } from './plain-fetch.ts';
import type { Route, Tunnel } from './tunnel.ts';
import { openTunnel } from './tunnel.ts';

const block = Buffer.alloc(1 << 20, 0xa5);
const oneByte = Buffer.from([1]);
/** What the destination says after the half-close, and how long it may take to come. */
const lateBytes = 1000;
const lateMs = 3000;

/** Performs jobs; `hello` is the ClientHello that every tunnel begins with. */
export function createPerformer(hello: Buffer) {
  const held: Tunnel[] = [];

  const begin = async (route: Route, frame: Frame, rest: Uint8Array = Buffer.alloc(0)): Promise<Tunnel> => {
    const tunnel = await openTunnel(route);
    tunnel.write(Buffer.concat([hello, writeFrame(frame), rest]));
    return tunnel;
  };
  /** An established tunnel: a byte went through it and came back. */
  const establish = async (route: Route): Promise<Tunnel> => {
    const tunnel = await begin(route, { task: 'echo', count: 0 }, oneByte);
    await tunnel.receive(1);
    return tunnel;
  };

  const transfer = async (task: 'down' | 'up', route: Route, count: number, bytes: number): Promise<number> => {
    const tunnels = await Promise.all(Array.from({ length: count }, () => openTunnel(route)));
    const started = performance.now();
    const opening = Buffer.concat([hello, writeFrame({ task, count: bytes })]);
    await Promise.all(
      tunnels.map(async (tunnel) => {
        await tunnel.send(opening);
        if (task === 'up') await sendBytes(tunnel, bytes);
        await tunnel.receive(task === 'up' ? 1 : bytes);
      }),
    );
    const seconds = (performance.now() - started) / 1000;
    await closeAll(tunnels);
    return seconds;
  };

  const performers: { readonly [T in Job['type']]: (job: Extract<Job, { type: T }>) => Promise<unknown> } = {
    down: async (job) => ({ seconds: await transfer('down', job.route, job.tunnels, job.bytes) }),
    up: async (job) => ({ seconds: await transfer('up', job.route, job.tunnels, job.bytes) }),
    async connections({ route, count, inFlight }): Promise<Outcomes['connections']> {
      const started = performance.now();
      await inLanes(count, inFlight, async () => {
        const tunnel = await establish(route);
        tunnel.end();
        await tunnel.closed;
      });
      return { seconds: (performance.now() - started) / 1000 };
    },
    async latency({ route, connects, roundTrips }): Promise<Outcomes['latency']> {
      const connect = await timeEach(
        connects,
        () => openTunnel(route),
        async (tunnel) => {
          tunnel.end();
          await tunnel.closed;
        },
      );
      const tunnel = await establish(route);
      const roundTrip = await timeEach(roundTrips, async () => {
        tunnel.write(oneByte);
        await tunnel.receive(1);
      });
      await closeAll([tunnel]);
      return { connect, roundTrip };
    },
    async requests({ route, count, inFlight }): Promise<Outcomes['requests']> {
      const started = performance.now();
      const opened = await fetchPlain(route, count, inFlight);
      return { seconds: (performance.now() - started) / 1000, opened };
    },
    async hold({ route, count, inFlight }): Promise<Outcomes['hold']> {
      await inLanes(count, inFlight, async () => void held.push(await establish(route)));
      return { held: held.length };
    },
    async release(): Promise<Outcomes['release']> {
      const tunnels = held.splice(0);
      await closeAll(tunnels);
      return { released: tunnels.length };
    },
    async 'half-close'({ route }): Promise<Outcomes['half-close']> {
      const tunnel = await begin(route, { task: 'late', count: lateBytes });
      const tooLate = setTimeout(() => tunnel.destroy(), lateMs);
      tunnel.end();
      const kept = await tunnel.receive(lateBytes).then(
        () => true,
        () => false,
      );
      clearTimeout(tooLate);
      return { kept };
    },
  };
  return (job: Job): Promise<unknown> => (performers[job.type] as (job: Job) => Promise<unknown>)(job);
}

async function sendBytes(tunnel: Tunnel, count: number): Promise<void> {
  for (let left = count; left > 0; left -= block.length) {
    await tunnel.send(left < block.length ? block.subarray(0, left) : block);
  }
}

async function closeAll(tunnels: readonly Tunnel[]): Promise<void> {
  for (const tunnel of tunnels) tunnel.end();
  await Promise.all(tunnels.map((tunnel) => tunnel.closed));
}

/** Does `act` so many times, some at once. */
async function inLanes(count: number, lanes: number, act: () => Promise<void>): Promise<void> {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await act();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** Times an act done again and again; what comes after each is not timed. */
async function timeEach<T>(
  count: number,
  act: () => Promise<T>,
  after?: (result: T) => Promise<void>,
): Promise<Percentiles> {
  const times = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const started = performance.now();
    const result = await act();
    times[index] = performance.now() - started;
    await after?.(result);
  }
  times.sort();
  const at = (share: number) => times[Math.min(count - 1, Math.floor(count * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}
