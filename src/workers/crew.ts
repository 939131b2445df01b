/** Who serves the clients: this process, or workers; the rest of the proxy need not know which. */
import process from 'node:process';
import type { LoadedConfig } from '../config/load.ts';
import type { Endpoint } from '../config/values.ts';
import type { ServingProcesses } from '../observe/self-report.ts';
import type { RangesDocument } from '../policy/ranges/document.ts';
import type { Exchange, ExchangeRecord } from '../proxy/exchange.ts';
import type { Snapshot } from '../state/snapshot.ts';
import type { Serving } from './serving.ts';

/** Everything that is in force together. */
export interface InForce {
  readonly loaded: LoadedConfig;
  readonly document: RangesDocument | null;
  readonly snapshot: Snapshot;
}

/** A process that serves. */
export interface ServingProcess {
  readonly pid: number;
  /** How many tunnels flow through it. */
  readonly tunnels: number;
}

export interface Crew {
  /** Accepts at every address of `listen`, on sockets that were passed where there are some. @throws the system's error */
  open(initial: InForce, descriptors: readonly number[]): Promise<void>;
  /**
   * Puts something else in force; with `recheck`, closes what flows and it refuses. Resolves when nothing is judged by
   * what was before, with the number of tunnels closed. @throws at once where it does not serve, with nothing changed
   */
  replace(next: InForce, recheck: boolean): Promise<number>;
  tunnels(): Promise<readonly ExchangeRecord[]>;
  /** Every process that serves, in the order of their numbers. */
  workers(): Promise<readonly ServingProcess[]>;
  /** Closes one tunnel by the id of its exchange; false if no such tunnel flows. */
  close(id: string): Promise<boolean>;
  /** Goes on in a new log file. */
  reopenLogs(): void;
  /** Stops accepting, gives exchanges `deadlineMs` milliseconds to end, then ends them; each gets its log line. */
  stop(deadlineMs: number): Promise<void>;
  /** Ends at once what serves beside this process. */
  abandon(): void;
  /** The exchanges that are open in this process. */
  readonly openExchanges: () => Iterable<Exchange>;
  /** Connections of clients that are open, in all processes and as last counted. */
  readonly connections: () => number;
  /** The tunnels that flow through this process. */
  readonly tunnelsHere: () => number;
  /** Null where this process serves. */
  readonly processes: ServingProcesses | null;
}

/** What a crew tells of an address at which it accepts; throws where it must not. */
export type OnListening = (index: number, bound: Endpoint, isPassed: boolean) => void;

/** This process alone. */
export function createCrewOfOne(serving: Serving, onListening: OnListening): Crew {
  return {
    async open({ loaded }, descriptors) {
      for (const [index, endpoint] of loaded.config.listen.entries()) {
        const fd = descriptors[index];
        const keys = loaded.listenerKeys[index] ?? null;
        const bound = await (fd === undefined ? serving.listen(endpoint, keys) : serving.listenOn(fd, keys));
        // At once: the other listeners may take a while to bind, and this one is accepting.
        onListening(index, bound, fd !== undefined);
      }
    },
    replace({ snapshot, loaded }, recheck) {
      serving.replace(snapshot, loaded.listenerKeys);
      return Promise.resolve(recheck ? serving.recheck() : 0);
    },
    tunnels: () => Promise.resolve(serving.tunnels.list().map(({ record }) => record)),
    workers: () => Promise.resolve([{ pid: process.pid, tunnels: serving.tunnels.list().length }]),
    close: (id) => Promise.resolve(serving.tunnels.close(id)),
    reopenLogs() {},
    stop: (deadlineMs) => serving.stop(deadlineMs),
    abandon() {},
    openExchanges: serving.exchanges,
    connections: serving.connections,
    tunnelsHere: () => serving.tunnels.list().length,
    processes: null,
  };
}
