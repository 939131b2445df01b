/** A connection to the parent proxy: looked up by the system, dialled like a destination, under TLS where it says https. */
import { lookup } from 'node:dns/promises';
import type { Socket } from 'node:net';
import { connect as connectTls, getCACertificates } from 'node:tls';
import type { Address } from '../address/ip.ts';
import { parseAddress } from '../address/ip.ts';
import { ProxyError, answers } from '../errors.ts';
import type { ParentProxy } from '../state/parent-proxy.ts';
import { dial } from './dial.ts';
import type { Budget } from './wait-on-socket.ts';
import { leftMs, waitOnSocket } from './wait-on-socket.ts';

/** Connects to a parent. The socket comes back paused, with half-open ends allowed. @throws ProxyError as `dial` does */
export type ConnectParent = (parent: ParentProxy, budget: Budget) => Promise<Socket>;

export interface ParentConnectDeps {
  /** The system's look-up, unlike a target's: search domains and whatever else this machine has count. */
  readonly lookUp?: (host: string) => Promise<readonly Address[]>;
  /** Authorities, in PEM, that a parent's certificate may be under; unless given, Node's and this machine's own. */
  readonly authorities?: readonly string[];
}

/** How long an answer of the system's serves, in milliseconds; it tells no TTL. */
const lookUpMs = 10_000;

export function createConnectParent(deps: ParentConnectDeps = {}): ConnectParent {
  const lookUp = remember(deps.lookUp ?? lookUpBySystem);
  let authorities = deps.authorities;

  return async (parent, budget) => {
    try {
      const addresses = parent.address ? [parent.address] : await before(budget, lookUp(parent.host));
      const { socket } = await dial(
        addresses.map((address) => ({ address })),
        parent.port,
        leftMs(budget),
        budget.signal,
      );
      if (!parent.isTls) return socket;
      authorities ??= [...getCACertificates('default'), ...getCACertificates('system')];
      return await secure(socket, parent, authorities, budget);
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      // Where the parent is, is no client's business.
      throw new ProxyError(error.reason, { phrase: `${answers[error.reason].phrase}: parent proxy`, cause: error });
    }
  };
}

/** Verified by name, or by address where the configuration has one. */
function secure(
  socket: Socket,
  { host, address }: ParentProxy,
  authorities: readonly string[],
  budget: Budget,
): Promise<Socket> {
  const secured = connectTls({
    socket,
    host,
    ...(address ? {} : { servername: host }),
    ca: [...authorities],
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
  });
  secured.pause();
  return waitOnSocket<Socket>(secured, budget, {
    whom: 'parent proxy',
    begin: (done) => {
      const onSecure = () => done(secured);
      secured.once('secureConnect', onSecure);
      return () => void secured.off('secureConnect', onSecure);
    },
  });
}

async function lookUpBySystem(host: string): Promise<readonly Address[]> {
  const found = await lookup(host, { all: true });
  return found.flatMap(({ address }) => parseAddress(address) ?? []);
}

/** Many tunnels open at once and all go to one parent: they share a look-up. */
function remember(lookUp: (host: string) => Promise<readonly Address[]>): typeof lookUp {
  const known = new Map<string, { readonly answer: Promise<readonly Address[]>; readonly expiresAt: number }>();
  return (host) => {
    const entry = known.get(host);
    if (entry && entry.expiresAt > performance.now()) return entry.answer;
    const answer = lookUp(host);
    known.clear();
    known.set(host, { answer, expiresAt: performance.now() + lookUpMs });
    answer.catch(() => known.delete(host));
    return answer;
  };
}

/** A look-up of the system's cannot be called off: it is only waited for no longer. */
function before(budget: Budget, answer: Promise<readonly Address[]>): Promise<readonly Address[]> {
  const { signal } = budget;
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      outcome();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    const timer = setTimeout(() => settle(() => reject(new ProxyError('dns_timeout'))), leftMs(budget));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    answer.then(
      (addresses) => settle(() => resolve(addresses)),
      (cause: unknown) => settle(() => reject(new ProxyError('dns_failed', { cause }))),
    );
  });
}
