/** The command line of the benchmark. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { metrics, steps } from './metrics.ts';
import type { Amounts } from './measure.ts';
import type { Metric, Step } from './metrics.ts';

export interface BenchOptions {
  readonly rounds: number;
  /** Names of peers; null: all. */
  readonly peers: readonly string[] | null;
  readonly steps: readonly Step[];
  /** Ids of the metrics to show. */
  readonly shown: ReadonlySet<string>;
  readonly workers: number;
  /** Whether each peer gets a processor of its own in all steps. */
  readonly apart: boolean;
  readonly json: boolean;
  readonly amounts: Amounts;
  /** Idle tunnels asked for; `amounts` has as many as there are descriptors for. */
  readonly idleWanted: number;
  /** Descriptors a process may open here. */
  readonly files: number;
  /** Other checkouts of the product, as `name=folder`, that are measured beside this one. */
  readonly checkouts: readonly string[];
  /** A folder for a CPU profile of the product; null: none. */
  readonly profile: string | null;
}

export const usage = `npm run bench -- [--rounds N] [--only METRIC,..] [--peers NAME,..] [--workers N|auto]
                 [--in-flight N] [--idle N] [--scale F] [--also NAME=FOLDER].. [--profile FOLDER] [--apart] [--json]

  --only       steps (${steps.join(', ')})
               or metrics (${metrics.map(({ id }) => id).join(', ')})
  --peers      the product and direct are always there
  --workers    processes (threads for haproxy) of each peer
  --in-flight  connections opened at a time where they are counted (64)
  --apart      each peer on one processor and everything else on another, in all steps
  --idle       tunnels held open for the memory figure (5000)
  --scale      does so much more, or less, of everything in each round (1)
  --also       measures another checkout of the product beside this one, with its node_modules; @N behind the folder
               gives it so many workers (--also two=.@2)
  --profile    leaves a CPU profile of the product, taken while the rounds run
`;

/** Descriptors that are not tunnels. */
const spareFiles = 500;

/** @throws Error in words for whoever typed it. */
export function readOptions(argv: readonly string[]): BenchOptions | null {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string', default: '5' },
      only: { type: 'string' },
      peers: { type: 'string' },
      workers: { type: 'string', default: '1' },
      'in-flight': { type: 'string', default: '64' },
      idle: { type: 'string', default: '5000' },
      scale: { type: 'string', default: '1' },
      also: { type: 'string', multiple: true, default: [] },
      profile: { type: 'string' },
      apart: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const shown = readMetrics(values.only);
  const files = descriptorLimit();
  const scale = readNumber('scale', values.scale, 0.01);
  const idleWanted = readNumber('idle', values.idle, 1);
  const times = (count: number) => Math.max(1, Math.round(count * scale));
  return {
    rounds: readNumber('rounds', values.rounds, 1),
    peers: values.peers?.split(',') ?? null,
    steps: steps.filter((step) => shown.some((metric) => metric.step === step)),
    shown: new Set(shown.map(({ id }) => id)),
    workers: values.workers === 'auto' ? availableParallelism() : readNumber('workers', values.workers, 1),
    apart: values.apart,
    json: values.json,
    files,
    idleWanted,
    checkouts: values.also,
    profile: values.profile ?? null,
    amounts: {
      tunnels: 4,
      bytes: times(200e6),
      connections: times(10_000),
      inFlight: readNumber('in-flight', values['in-flight'], 1),
      connects: times(500),
      roundTrips: times(4000),
      requests: times(10_000),
      // A proxy needs two descriptors for each tunnel.
      idle: Math.min(idleWanted, Math.floor((files - spareFiles) / 2)),
    },
  };
}

function readMetrics(only: string | undefined): readonly Metric[] {
  if (only === undefined) return metrics;
  return only.split(',').flatMap((word) => {
    const found = metrics.filter(({ id, step }) => id === word || step === word);
    // A step bears the name of one of its metrics at times: the whole step is meant then.
    if (found.length === 0) throw new Error(`no metric or step "${word}"`);
    return found;
  });
}

function readNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!(value >= least)) throw new Error(`--${name} wants a number from ${least}, not "${text}"`);
  return value;
}

/** Node raises its own soft limit to the hard one, and what it starts inherits that. */
export function descriptorLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  return Math.min(Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1024), 65_536);
}
