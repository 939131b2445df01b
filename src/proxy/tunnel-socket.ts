/** What a tunnel uses of a connection. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Listener, SocketEvent } from './listeners.ts';

/** A `net.Socket` has it all. */
export interface TunnelSocket {
  on(event: SocketEvent, listener: Listener): this;
  once(event: SocketEvent, listener: Listener): this;
  off(event: SocketEvent, listener: Listener): this;
  removeAllListeners(event: SocketEvent): this;
  /** Whether `close` has been told, or is about to be. */
  readonly closed: boolean;
  readonly destroyed: boolean;
  readonly readableEnded: boolean;
  readonly writable: boolean;
  readonly writableEnded: boolean;
  readonly writableFinished: boolean;
  /** Bytes that were taken and are not written yet. */
  readonly writableLength: number;
  readonly writableNeedDrain: boolean;
  /**
   * False once more waits than should: `drain` comes when nothing does any more. `onWritten` is called at least where
   * some of it had to wait.
   */
  write(bytes: Uint8Array | string, onWritten?: () => void): boolean;
  end(): unknown;
  destroy(): unknown;
  resetAndDestroy(): unknown;
  pause(): unknown;
  resume(): unknown;
  isPaused(): boolean;
  setKeepAlive(isOn: boolean, initialDelayMs: number): unknown;
}

/** A connection that was accepted. */
export interface ClientSocket extends TunnelSocket {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Connects to an address: `connect` or `error` follows. Half-open ends are allowed, small writes go out at once. */
export type Connect<S extends TunnelSocket> = (address: string, port: number) => S;

export const connectPlain: Connect<Socket> = (host, port) =>
  connect({ host, port, allowHalfOpen: true, noDelay: true });
