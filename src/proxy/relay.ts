/** Carries bytes both ways between two connected sockets until both sides are done, keeping half-closes and resets. */
import type { Socket } from 'node:net';
import type { EndedBy } from './exchange.ts';
import { lingeringClose } from './respond.ts';

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
}

/** Relays until both sockets are closed; says which side, or what, ended it first. Never throws. */
export function relay(client: Socket, destination: Socket, options: RelayOptions): Promise<EndedBy> {
  return new Promise((resolve) => {
    const { counts, signal } = options;
    let endedBy: EndedBy | null = null;
    let isHalfClosed = false;
    let lastMove = performance.now();
    let openSockets = 2;

    const finish = (reason: EndedBy) => {
      endedBy ??= reason;
      client.destroy();
      destination.destroy();
    };
    const onAbort = () => finish((signal.reason as EndedBy | undefined) ?? 'error');

    // One timer a tunnel, armed again for the rest of its time: a byte costs a clock reading, never a timer.
    const checkIdle = () => {
      const allowed = isHalfClosed ? options.halfCloseMs : options.idleMs;
      const left = lastMove + allowed - performance.now();
      if (left <= 0) finish('idle');
      else timer = setTimeout(checkIdle, Math.min(left, Math.max(options.halfCloseMs, 1)));
    };
    let timer = setTimeout(checkIdle, Math.min(options.idleMs, options.halfCloseMs));

    const carry = (from: Socket, to: Socket, side: EndedBy, count: (bytes: number) => void) => {
      from.on('data', (bytes: Buffer) => {
        lastMove = performance.now();
        count(bytes.length);
        // A side that is gone takes nothing; what still comes for it is read and dropped.
        if (!to.write(bytes) && !to.destroyed) from.pause();
      });
      to.on('drain', () => {
        lastMove = performance.now();
        from.resume();
      });
      from.on('end', () => {
        endedBy ??= side;
        isHalfClosed = true;
        lastMove = performance.now();
        to.end();
      });
      from.on('error', () => {
        endedBy ??= side;
        // A reset is passed on as one. But what came before an orderly end is owed to the other side, whole: the
        // reset is then only the answer to what that side said too late.
        if (to.destroyed || !from.readableEnded) to.resetAndDestroy();
        else if (to.writableFinished) lingeringClose(to);
        else to.once('finish', () => lingeringClose(to));
      });
      from.on('close', () => {
        if (!to.writableEnded && !to.destroyed) to.destroy();
        if (--openSockets > 0) return;
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        resolve(endedBy ?? side);
      });
    };

    carry(client, destination, 'client', (bytes) => (counts.bytesUp += bytes));
    carry(destination, client, 'destination', (bytes) => (counts.bytesDown += bytes));
    for (const bytes of options.early) {
      counts.bytesUp += bytes.length;
      destination.write(bytes);
    }
    if (client.destroyed || destination.destroyed) finish(client.destroyed ? 'client' : 'destination');
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    if (destination.writableNeedDrain) client.pause();
    else client.resume();
    destination.resume();
    if (client.readableEnded) {
      isHalfClosed = true;
      endedBy ??= 'client';
      destination.end();
    }
  });
}
