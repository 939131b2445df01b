/**
 * Listening sockets that belong to the primary and are accepted from by workers: bound here, and kept as long as the
 * proxy is, so that no connection that waits in one is lost with a worker. Binding without accepting takes a handle of
 * the platform that is not public; this file alone knows it, and says where it is not there.
 */
import * as net from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { Endpoint } from '../config/values.ts';

export interface SharedSocket {
  /** The descriptor, to be passed on to workers. */
  readonly fd: number;
  /** Where it is bound, with the port that the system chose for 0. */
  readonly bound: Endpoint;
  close(): void;
}

/** The parts of a handle that are used. */
interface Handle {
  readonly fd: number;
  getsockname(into: object): number;
  close(): void;
}

type CreateServerHandle = (
  address: string | null,
  port: number | null,
  addressType: 4 | 6 | -1,
  fd?: number,
) => Handle | number;

function findCreate(): CreateServerHandle | null {
  const create: unknown = Reflect.get(net, '_createServerHandle');
  return typeof create === 'function' ? (create as CreateServerHandle) : null;
}

/** Whether this platform can: found out once at a start, on a socket of loopback that nobody will know of. */
export function canShareSockets(): boolean {
  try {
    const probe = bindSharedSocket({ address: '127.0.0.1', port: 0 });
    const works = probe.fd > 2 && probe.bound.port > 0;
    probe.close();
    return works;
  } catch {
    return false;
  }
}

/** Binds without accepting. @throws the system's error when the address cannot be bound */
export function bindSharedSocket({ address, port }: Endpoint): SharedSocket {
  return fromHandle(findCreate()?.(address, port, address.includes(':') ? 6 : 4), `${address}:${port}`);
}

/** Takes a listening socket that was passed to this process, by its descriptor. @throws the system's error */
export function adoptSharedSocket(fd: number): SharedSocket {
  return fromHandle(findCreate()?.(null, null, -1, fd), `descriptor ${fd}`);
}

function fromHandle(handle: Handle | number | undefined, what: string): SharedSocket {
  if (handle === undefined) throw new Error('this platform cannot share listening sockets');
  if (typeof handle === 'number') throw systemError(handle, what);
  const bound: Partial<Endpoint> = {};
  // An address in use is not told before it is asked for.
  const status = handle.getsockname(bound);
  if (status !== 0) {
    handle.close();
    throw systemError(status, what);
  }
  return {
    fd: handle.fd,
    bound: { address: bound.address ?? '', port: bound.port ?? 0 },
    close: () => handle.close(),
  };
}

function systemError(status: number, what: string): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`listen ${code}: ${what}`), { code });
}
