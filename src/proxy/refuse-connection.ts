/** Refusals that belong to a connection and not to a request: the client's address, a limit, an unreadable head. */
import type { Address } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import { admittingEntry } from '../policy/admitting-entry.ts';
import type { Snapshot } from '../state/snapshot.ts';
import type { Limit } from './connections.ts';
import type { Exchange, ExchangeRegistry } from './exchange.ts';
import { verdictOf } from './failure.ts';
import { refuseInTls, refuseOnSocket } from './respond.ts';
import type { ClientSocket } from './tunnel-socket.ts';

export interface Refuser {
  /** Judges a client at accept; true when it was refused and answered, with an alert alone where it expects TLS. */
  refuseClient(socket: ClientSocket, client: Address, isTls: boolean): boolean;
  /** Refuses a connection too many in the same way. */
  refuseAbove(limit: Limit, socket: ClientSocket, client: Address, isTls: boolean): void;
  /** Answers (unless `answer` does), closes with care, and logs when the connection is gone. */
  refuse(socket: ClientSocket, client: Address, error: ProxyError, hint: string | null, answer?: Answer): void;
  /** Logs a refusal that gets no answer. */
  logRefusal(socket: ClientSocket, client: Address, error: ProxyError, hint: string | null): void;
}

type Answer = (socket: ClientSocket, error: ProxyError, id: string) => void;

/** Refused clients that may linger over their answer at the same time; beyond, they are cut off at once. */
const maxLingering = 1024;

export function createRefuser(exchanges: ExchangeRegistry, current: () => Snapshot): Refuser {
  let lingering = 0;

  function open(socket: ClientSocket, client: Address, error: ProxyError, hint: string | null): Exchange {
    const exchange = exchanges.open('connection', socket, client, current());
    const { record } = exchange;
    record.verdict = verdictOf(error.reason);
    record.reason = error.reason;
    record.status = error.status;
    record.hint = hint;
    return exchange;
  }

  function refuse(
    socket: ClientSocket,
    client: Address,
    error: ProxyError,
    hint: string | null,
    answer: Answer = refuseOnSocket,
  ): void {
    const exchange = open(socket, client, error, hint);
    lingering++;
    socket.once('close', () => {
      lingering--;
      exchange.record.bytesUp = socket.bytesRead;
      exchange.record.bytesDown = socket.bytesWritten;
      exchange.close(null);
    });
    if (lingering > maxLingering) socket.destroy();
    else answer(socket, error, exchange.record.id);
  }

  return {
    refuse,
    refuseClient(socket, client, isTls) {
      const answer = isTls ? refuseInTls : refuseOnSocket;
      const { policy } = current();
      if (!policy.networks.has(client)) {
        refuse(
          socket,
          client,
          new ProxyError('client_outside_network', { phrase: `Client ${client.text} not in networks` }),
          admittingEntry(client),
          answer,
        );
        return true;
      }
      return false;
    },
    refuseAbove(limit, socket, client, isTls) {
      const phrase = `Limit reached: ${limit} ${current().config.limits[limit]}`;
      const answer = isTls ? refuseInTls : refuseOnSocket;
      refuse(socket, client, new ProxyError('limit_reached', { phrase }), `raise limits.${limit}`, answer);
    },
    logRefusal(socket, client, error, hint) {
      open(socket, client, error, hint).close(null);
    },
  };
}
