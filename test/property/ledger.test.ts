/** The limits of connections over several workers, whatever order messages, ends of connections and of workers come in. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Ledger, Limits } from '../../src/workers/ledger.ts';
import { createLedger } from '../../src/workers/ledger.ts';
import type { Leases } from '../../src/workers/leases.ts';
import { createLeases } from '../../src/workers/leases.ts';
import type { ToLeases, ToLedger } from '../../src/workers/permits.ts';
import { allKey, allowanceUnder } from '../../src/workers/permits.ts';

/** A worker with its two channels, each of which keeps its order and delivers when the test says. */
interface Place {
  leases: Leases;
  up: ToLedger[];
  down: ToLeases[];
  /** Clients of the connections that are let in. */
  open: string[];
}

interface Setting {
  readonly places: Place[];
  readonly ledger: Ledger<Place>;
  limits: Limits;
  /** What a refusal was decided on: connections the ledger could not know to have ended, below the limit. */
  readonly wrong: string[];
}

const clients = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];

function openOf({ places }: Setting, key: string): number {
  return places.reduce((all, { leases }) => all + leases.openOf(key), 0);
}

/** Permits under way: of connections that have ended, to the ledger; for connections that wait, to their workers. */
function underWay({ places }: Setting, key: string): number {
  const messages = places.flatMap(({ up, down }) => [...up, ...down]);
  const counts = messages.map((message) =>
    (message.type === 'back' || message.type === 'recalled' || message.type === 'granted') && message.key === key
      ? message.count
      : 0,
  );
  return counts.reduce((all, count) => all + count, 0);
}

function limitOf({ limits }: Setting, key: string): number {
  return key === allKey ? limits.connections : limits.connectionsPerClient;
}

function newPlace(): Place {
  const up: ToLedger[] = [];
  return { up, down: [], open: [], leases: createLeases((message) => void up.push(message)) };
}

function createSetting(size: number, limits: Limits): Setting {
  const wrong: string[] = [];
  const ledger = createLedger<Place>(limits, size, (place, message) => {
    place.down.push(message);
    if (message.type !== 'granted' || message.count > 0) return;
    const known = openOf(setting, message.key) + underWay(setting, message.key);
    if (known < limitOf(setting, message.key)) wrong.push(`${message.key}: ${known}`);
  });
  const setting: Setting = { places: Array.from({ length: size }, newPlace), ledger, limits, wrong };
  for (const place of setting.places) ledger.add(place);
  return setting;
}

function deliverUp({ ledger }: Setting, place: Place): void {
  const message = place.up.shift();
  if (message) ledger.receive(place, message);
}

function deliverDown(place: Place): void {
  const message = place.down.shift();
  if (message) place.leases.receive(message);
}

async function deliverAll(setting: Setting): Promise<void> {
  do {
    for (const place of setting.places) {
      while (place.up.length > 0) deliverUp(setting, place);
      while (place.down.length > 0) deliverDown(place);
    }
    await new Promise((resolve) => setImmediate(resolve));
  } while (setting.places.some(({ up, down }) => up.length + down.length > 0));
}

function connect(place: Place, client: string): void {
  const found = place.leases.take(client);
  if (found === null) place.open.push(client);
  else if (found instanceof Promise) void found.then((limit) => limit === null && place.open.push(client));
}

type Step = { readonly at: number; readonly client: number } & (
  | { readonly type: 'connect' | 'burst' | 'end' | 'up' | 'down' | 'die' | 'turn' | 'rest' }
  | { readonly type: 'limits'; readonly limits: Limits }
);

const limits = fc.record({
  connections: fc.integer({ min: 1, max: 60 }),
  connectionsPerClient: fc.integer({ min: 1, max: 30 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  ...(['connect', 'burst', 'end', 'up', 'down', 'turn', 'rest'] as const).map((type) => ({
    weight: 10,
    arbitrary: fc.record({ type: fc.constant(type), at: fc.nat(), client: fc.nat(2) }),
  })),
  { weight: 1, arbitrary: fc.record({ type: fc.constant('die' as const), at: fc.nat(), client: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('limits' as const), at: fc.nat(), client: fc.nat(2), limits }),
  },
);

async function apply(setting: Setting, { at, client, ...what }: Step): Promise<void> {
  const index = at % setting.places.length;
  const place = setting.places[index]!;
  const from = clients[client]!;
  switch (what.type) {
    case 'connect':
      return connect(place, from);
    case 'burst':
      for (let count = 0; count < 12; count++) connect(place, from);
      return;
    case 'end': {
      const [ended] = place.open.splice(at % (place.open.length + 1), 1);
      if (ended !== undefined) place.leases.release(ended);
      return;
    }
    case 'rest':
      return place.leases.rest();
    case 'up':
      return deliverUp(setting, place);
    case 'down':
      return deliverDown(place);
    case 'turn':
      return void (await new Promise((resolve) => setImmediate(resolve)));
    case 'die':
      setting.places[index] = newPlace();
      setting.ledger.remove(place);
      return setting.ledger.add(setting.places[index]);
    case 'limits':
      setting.limits = what.limits;
      return setting.ledger.setLimits(what.limits);
  }
}

const run = { numRuns: 300 };

const lasting = step.filter(({ type }) => type !== 'limits');

test.each([
  ['limits that last', 1, lasting],
  // Who let connections in by a wider allowance may not have said so yet.
  ['limits that change', 2, step],
])(
  'under %s nobody is refused below one, and no more are let in than the allowances above',
  async (_name, times, by) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        limits,
        fc.array(by, { maxLength: 200, size: 'max' }),
        async (size, first, steps) => {
          const setting = createSetting(size, first);
          const most = { ...first };
          for (const next of steps) {
            await apply(setting, next);
            most.connections = Math.max(most.connections, setting.limits.connections);
            most.connectionsPerClient = Math.max(most.connectionsPerClient, setting.limits.connectionsPerClient);
            for (const key of [allKey, ...clients]) {
              const limit = key === allKey ? most.connections : most.connectionsPerClient;
              expect(openOf(setting, key)).toBeLessThanOrEqual(limit + times * size * allowanceUnder(limit, size));
            }
            expect(setting.wrong).toEqual([]);
          }
        },
      ),
      run,
    );
  },
);

test('once everything has arrived, nobody waits, and when all connections have ended nothing is kept', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      limits,
      fc.array(step, { maxLength: 100, size: 'max' }),
      async (size, first, steps) => {
        const setting = createSetting(size, first);
        for (const next of steps) await apply(setting, next);
        await deliverAll(setting);
        for (const place of setting.places) {
          expect(place.open.length).toBe(place.leases.openOf(allKey));
          for (const client of place.open.splice(0)) place.leases.release(client);
          place.leases.rest();
        }
        await deliverAll(setting);
        expect(setting.ledger.size).toBe(0);
        expect([allKey, ...clients].map((key) => openOf(setting, key))).toEqual([0, 0, 0, 0]);
      },
    ),
    run,
  );
});

test('after limits were lowered nobody is let in before enough have ended', async () => {
  const setting = createSetting(2, { connections: 100_000, connectionsPerClient: 100_000 });
  await deliverAll(setting);
  for (const place of setting.places) for (let count = 0; count < 300; count++) connect(place, '10.0.0.1');
  await deliverAll(setting);
  expect(openOf(setting, allKey)).toBe(600);
  setting.limits = { connections: 400, connectionsPerClient: 100_000 };
  setting.ledger.setLimits(setting.limits);
  await deliverAll(setting);
  const [first] = setting.places;
  connect(first!, '10.0.0.2');
  await deliverAll(setting);
  expect(openOf(setting, allKey)).toBe(600);
  first!.leases.release(first!.open.shift()!);
  connect(first!, '10.0.0.2');
  await deliverAll(setting);
  expect(openOf(setting, allKey)).toBe(599);
  for (const client of first!.open.splice(0, 249)) first!.leases.release(client);
  await deliverAll(setting);
  connect(first!, '10.0.0.2');
  await deliverAll(setting);
  expect(openOf(setting, '10.0.0.2')).toBe(1);
});

test.each([
  [20_000, 2, 400],
  [2000, 4, 40],
  [100, 2, 16],
  [3, 2, 0],
])('of a limit of %d, %d workers let in no more than %d above it', (limit, workers, above) => {
  expect(workers * allowanceUnder(limit, workers)).toBe(above);
  expect(above).toBeLessThanOrEqual(Math.max(8 * workers, 0.02 * limit));
});
