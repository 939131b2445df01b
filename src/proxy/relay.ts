/** Carries bytes both ways between two connected sockets until both sides are done, keeping half-closes and resets. */
import type { Socket } from 'node:net';
import type { EndedBy } from './exchange.ts';
import type { LargeReads } from './large-reads.ts';
import { lingeringClose, reset } from './respond.ts';

export interface RelayOptions {
  /** Without a byte either way for so long, both sides are closed (milliseconds). */
  readonly idleMs: number;
  /** The same once one side has closed its half. */
  readonly halfCloseMs: number;
  readonly signal: AbortSignal;
  /** Counted as the bytes move, so that a live tunnel can be looked at. */
  readonly counts: { bytesUp: number; bytesDown: number };
  /** Bytes the client sent before the relay began; they go first. */
  readonly early: readonly Buffer[];
  readonly largeReads: LargeReads;
}

/** How often a side that is held back is looked at, in milliseconds. */
const heldCheckMs = 500;

/**
 * Idle flows through Azure's load balancer end silently after four minutes; probes this often keep them (milliseconds).
 */
const keepAliveProbeMs = 60_000;

/** One side of the relay. Its socket is made anew over the same connection once its reads are large. */
interface Side {
  readonly name: 'client' | 'destination';
  socket: Socket;
  readonly count: (bytes: number) => void;
}

/** Relays until both sockets are closed; says which side, or what, ended it first. Never throws. */
export function relay(clientSocket: Socket, destinationSocket: Socket, options: RelayOptions): Promise<EndedBy> {
  return new Promise((resolve) => {
    const { counts, signal, largeReads } = options;
    const client: Side = { name: 'client', socket: clientSocket, count: (bytes) => (counts.bytesUp += bytes) };
    const destination: Side = {
      name: 'destination',
      socket: destinationSocket,
      count: (bytes) => (counts.bytesDown += bytes),
    };
    let endedBy: EndedBy | null = null;
    let isHalfClosed = false;
    let lastMove = performance.now();
    let openSockets = 2;

    const finish = (reason: EndedBy) => {
      endedBy ??= reason;
      client.socket.destroy();
      destination.socket.destroy();
    };
    const onAbort = () => finish((signal.reason as EndedBy | undefined) ?? 'error');

    // One timer a tunnel, armed again for the rest of its time: a byte costs a clock reading, never a timer.
    const longestWaitMs = Math.min(options.halfCloseMs, keepAliveProbeMs);
    const checkIdle = () => {
      // Probes cost four system calls a socket to ask for, so only a tunnel that has lived for a while gets them.
      for (const { socket } of [client, destination]) socket.setKeepAlive(true, keepAliveProbeMs);
      const allowed = isHalfClosed ? options.halfCloseMs : options.idleMs;
      const left = lastMove + allowed - performance.now();
      if (left <= 0) finish('idle');
      else timer = setTimeout(checkIdle, Math.min(left, longestWaitMs));
    };
    let timer = setTimeout(checkIdle, Math.min(options.idleMs, longestWaitMs));

    const carry = (from: Side, to: Side) => {
      let watch: NodeJS.Timeout | null = null;
      // A socket that is not read tells of no reset, but a write of nothing fails on one.
      const checkHeld = () => {
        const { socket } = from;
        watch = socket.isPaused() && !socket.destroyed ? setTimeout(checkHeld, heldCheckMs) : null;
        if (watch && socket.writable && socket.writableLength === 0) socket.write('');
      };
      const hold = () => {
        from.socket.pause();
        watch ??= setTimeout(checkHeld, heldCheckMs);
      };
      const onWritten = () => {
        if (to.socket.writableLength === 0) from.socket.resume();
      };
      const onBytes = (bytes: Buffer, isLent: boolean) => {
        lastMove = performance.now();
        from.count(bytes.length);
        // A side that is gone takes nothing; what still comes for it is read and dropped.
        if (to.socket.destroyed) return;
        const hasRoom = isLent ? to.socket.write(bytes, onWritten) : to.socket.write(bytes);
        // Lent memory is read into again as soon as the reading goes on: not before all of it is written.
        if (!hasRoom || (isLent && to.socket.writableLength > 0)) hold();
      };
      const listeners: readonly (readonly [string, (bytes: Buffer) => void])[] = [
        [
          'data',
          (bytes: Buffer) => {
            onBytes(bytes, false);
            if (largeReads.isFull(bytes)) process.nextTick(enlarge);
          },
        ],
        [
          'drain',
          () => {
            lastMove = performance.now();
            to.socket.resume();
          },
        ],
        [
          'end',
          () => {
            endedBy ??= from.name;
            isHalfClosed = true;
            lastMove = performance.now();
            to.socket.end();
          },
        ],
        [
          'error',
          () => {
            endedBy ??= from.name;
            // A reset is passed on as one. But what came before an orderly end is owed to the other side, whole: the
            // reset is then only the answer to what that side said too late.
            const other = to.socket;
            if (other.destroyed || !from.socket.readableEnded) reset(other);
            else if (other.writableFinished) lingeringClose(other);
            else other.once('finish', () => lingeringClose(other));
          },
        ],
        [
          'close',
          () => {
            if (watch) clearTimeout(watch);
            if (!to.socket.writableEnded && !to.socket.destroyed) to.socket.destroy();
            if (--openSockets > 0) return;
            clearTimeout(timer);
            signal.removeEventListener('abort', onAbort);
            resolve(endedBy ?? from.name);
          },
        ],
      ];
      const enlarge = () => {
        const old = from.socket;
        const taken = largeReads.takeOver(old, onBytes);
        if (!taken) return;
        for (const [event, listener] of listeners) old.off(event, listener);
        from.socket = taken;
        for (const [event, listener] of listeners.slice(1)) taken.on(event, listener);
        if (!old.isPaused()) taken.resume();
      };
      for (const [event, listener] of listeners) from.socket.on(event, listener);
    };

    carry(client, destination);
    carry(destination, client);
    for (const bytes of options.early) {
      counts.bytesUp += bytes.length;
      destination.socket.write(bytes);
    }
    if (client.socket.destroyed || destination.socket.destroyed)
      finish(client.socket.destroyed ? 'client' : 'destination');
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    if (destination.socket.writableNeedDrain) client.socket.pause();
    else client.socket.resume();
    destination.socket.resume();
    if (client.socket.readableEnded) {
      isHalfClosed = true;
      endedBy ??= 'client';
      destination.socket.end();
    }
  });
}
