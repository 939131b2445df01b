/** The steps: each drives the load through one peer and reads what the peer used meanwhile. */
import type { Load } from './load/processes.ts';
import type { Sample, Step } from './metrics.ts';
import type { Running } from './peers/running.ts';
import { placeApart } from './placing.ts';
import { readUsage } from './process-tree.ts';

/** How much of each is done in one round: enough to be read in ticks of 10 ms, little enough for many rounds. */
export interface Amounts {
  readonly tunnels: number;
  readonly bytes: number;
  readonly connections: number;
  /** Connections opened at a time. */
  readonly inFlight: number;
  readonly connects: number;
  readonly roundTrips: number;
  readonly requests: number;
  readonly idle: number;
}

/** Client connections of plain HTTP. */
const plainClients = 16;
/** Tunnels opened at a time while many are being held. */
const holdInFlight = 64;
/** Opened and closed before memory is read for the first time, so that what is loaded once is not counted. */
const warmTunnels = 300;
/** For each process of a peer, which get their share of each. */
const warmRounds = 2;
/** After a job, so that closing and logging are done before the peer's use is read; before resident sizes are read. */
const settleMs = 100;
const restMs = 1500;

type Measure = (peer: Running, load: Load, amounts: Amounts) => Promise<readonly Sample[]>;

const giga = 1e9;
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const residentKb = (peer: Running) => (peer.pid === null ? 0 : readUsage(peer.pid).residentKb);

/** Runs a job and gives its outcome with the seconds of processor time that the peer used for it. */
async function meter<T extends { readonly seconds: number }>(peer: Running, job: () => Promise<T>) {
  const before = peer.pid === null ? 0 : readUsage(peer.pid).cpuSeconds;
  const outcome = await job();
  await wait(settleMs);
  const cpuSeconds = peer.pid === null ? Number.NaN : readUsage(peer.pid).cpuSeconds - before;
  return { ...outcome, cpuSeconds, busy: cpuSeconds / outcome.seconds };
}

const transfer =
  (type: 'down' | 'up'): Measure =>
  async (peer, load, { tunnels, bytes }) => {
    const { seconds, cpuSeconds, busy } = await meter(peer, () =>
      load.run({ type, route: peer.route, tunnels, bytes }),
    );
    const moved = (tunnels * bytes) / giga;
    return [
      { metric: `cpu-${type}`, value: cpuSeconds / moved },
      { metric: `rate-${type}`, value: moved / seconds, busy },
    ];
  };

export const measures: Readonly<Record<Step, Measure>> = {
  down: transfer('down'),
  up: transfer('up'),
  async connections(peer, load, { connections: count, inFlight }) {
    const { seconds, cpuSeconds, busy } = await meter(peer, () =>
      load.run({ type: 'connections', route: peer.route, count, inFlight }),
    );
    return [
      { metric: 'cpu-connections', value: (cpuSeconds * 1e6) / count },
      { metric: 'connections', value: count / seconds, busy },
    ];
  },
  async latency(peer, load, { connects, roundTrips }) {
    const undo = placeApart(peer.pid);
    const job = load.run({ type: 'latency', route: peer.route, connects, roundTrips });
    const { connect, roundTrip } = await job.finally(undo);
    return [
      { metric: 'connect-p50', value: connect.p50 },
      { metric: 'connect-p99', value: connect.p99 },
      { metric: 'round-trip-p50', value: roundTrip.p50 },
      { metric: 'round-trip-p99', value: roundTrip.p99 },
    ];
  },
  async requests(peer, load, { requests: count }) {
    const { seconds, cpuSeconds, busy, opened } = await meter(peer, () =>
      load.run({ type: 'requests', route: peer.route, count, inFlight: plainClients }),
    );
    return [
      { metric: 'cpu-requests', value: (cpuSeconds * 1e6) / count },
      { metric: 'requests', value: count / seconds, busy },
      { metric: 'kept', value: count / opened },
    ];
  },
  async 'half-close'(peer, load) {
    const { kept } = await load.run({ type: 'half-close', route: peer.route });
    return [{ metric: 'half-close', value: kept ? 1 : 0 }];
  },
  /** Wants a peer that was started for it. */
  start: (peer) =>
    Promise.resolve([
      { metric: 'start', value: peer.startMs },
      { metric: 'resident', value: residentKb(peer) / 1024 },
    ]),
  /** Wants a peer that was started for it: what was in use before would hide what tunnels need. */
  async idle(peer, load, { idle: count }) {
    await load.run({ type: 'connections', route: peer.route, count: warmTunnels, inFlight: holdInFlight });
    await wait(settleMs);
    const before = residentKb(peer);
    await load.run({ type: 'hold', route: peer.route, count, inFlight: holdInFlight });
    await wait(restMs);
    const after = residentKb(peer);
    await load.run({ type: 'release' });
    return [
      { metric: 'idle', value: (after - before) / count },
      { metric: 'resident-idle', value: after / 1024 },
    ];
  },
};

/**
 * Rounds before the first that counts. An engine that compiles what runs hot makes it anew each time that a step brings it
 * something it has not met, so each has to come behind each other.
 */
export async function warm(
  peer: Running,
  load: Load,
  chosen: readonly Step[],
  amounts: Amounts,
  workers: number,
): Promise<void> {
  for (let round = 0; round < warmRounds * workers; round++) {
    for (const step of chosen) await measures[step](peer, load, amounts);
  }
}
