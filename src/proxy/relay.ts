/** Carries bytes both ways between two connected sockets until both sides are done, keeping half-closes and resets. */
import type { StopSignal } from '../state/stop-signal.ts';
import type { Deadline, Waiting } from './deadlines.ts';
import { Deadlines } from './deadlines.ts';
import type { EndedBy } from './exchange.ts';
import type { LargeReads } from './large-reads.ts';
import { endAfter, letGoBehind, lingeringClose, reset } from './respond.ts';
import type { TunnelSocket } from './tunnel-socket.ts';

export interface RelayOptions {
  /** Without a byte either way for so long, both sides are closed (milliseconds). */
  readonly idleMs: number;
  /** The same once one side has closed its half. */
  readonly halfCloseMs: number;
  readonly signal: StopSignal;
  readonly deadlines: Deadlines;
  /** Counted as the bytes move, so that a live tunnel can be looked at. */
  readonly counts: { bytesUp: number; bytesDown: number };
  readonly largeReads: LargeReads;
  /** Told once both sockets are closed, by which side or what it ended first. */
  readonly onEnd: (endedBy: EndedBy) => void;
}

/** A socket of a tunnel knows its side: listeners of its own for each would take a kilobyte a tunnel. */
const sideOf = Symbol('side');
type SidedSocket = TunnelSocket & { [sideOf]?: Side | null };

/** How often a side that is held back is looked at, in milliseconds. */
const heldCheckMs = 500;

/**
 * Idle flows through Azure's load balancer end silently after four minutes; probes this often keep them (milliseconds).
 */
const keepAliveProbeMs = 60_000;

/** Relays until both sockets are closed. `early` is what the client sent before; it goes first. Never throws. */
export function relay(
  clientSocket: TunnelSocket,
  destinationSocket: TunnelSocket,
  early: readonly Buffer[],
  options: RelayOptions,
): void {
  new Relay(clientSocket, destinationSocket, options).start(early);
}

/** What both directions share: the clock, and how it ends. */
class Relay implements Waiting {
  readonly options: RelayOptions;
  readonly client: Side;
  readonly destination: Side;
  /** On the clock of `performance.now()`. */
  lastMove = performance.now();
  endedBy: EndedBy | null = null;
  isHalfClosed = false;
  #openSockets = 2;
  #deadline: Deadline | null = null;

  constructor(clientSocket: TunnelSocket, destinationSocket: TunnelSocket, options: RelayOptions) {
    this.options = options;
    this.client = new Side(this, 'client', clientSocket);
    this.destination = new Side(this, 'destination', destinationSocket);
  }

  start(early: readonly Buffer[]): void {
    const { client, destination, options } = this;
    client.listen();
    destination.listen();
    this.#watchIdle(options.idleMs);
    for (const bytes of early) {
      options.counts.bytesUp += bytes.length;
      destination.socket.write(bytes);
    }
    // What became of them before is told by no event any more.
    if (client.socket.destroyed) this.#finish('client');
    else if (destination.socket.destroyed) destination.noteError();
    for (const side of [client, destination]) if (side.socket.closed) side.noteClose();
    if (options.signal.aborted) this.#onAbort();
    else options.signal.addEventListener('abort', this.#onAbort);
    if (destination.socket.writableNeedDrain) client.socket.pause();
    else client.socket.resume();
    destination.socket.resume();
    if (client.socket.readableEnded) {
      this.isHalfClosed = true;
      this.endedBy ??= 'client';
      destination.socket.end();
    }
    if (destination.socket.readableEnded && !destination.socket.destroyed) destination.noteEnd();
  }

  noteClosed(name: Side['name']): void {
    if (--this.#openSockets > 0) return;
    Deadlines.clear(this.#deadline);
    this.options.signal.removeEventListener('abort', this.#onAbort);
    this.options.onEnd(this.endedBy ?? name);
  }

  #finish(reason: EndedBy): void {
    this.endedBy ??= reason;
    this.client.socket.destroy();
    this.destination.socket.destroy();
  }

  readonly #onAbort = (): void => this.#finish((this.options.signal.reason as EndedBy | undefined) ?? 'error');

  /** One deadline a tunnel, set again for the rest of its time: a byte costs a clock reading, never a deadline. */
  #watchIdle(leftMs: number): void {
    const longestMs = Math.min(this.options.halfCloseMs, keepAliveProbeMs);
    this.#deadline = this.options.deadlines.set(Math.min(Math.ceil(leftMs), longestMs), this);
  }

  onDeadline(): void {
    // Probes cost four system calls a socket to ask for, so only a tunnel that has lived for a while gets them.
    for (const { socket } of [this.client, this.destination]) socket.setKeepAlive(true, keepAliveProbeMs);
    const allowed = this.isHalfClosed ? this.options.halfCloseMs : this.options.idleMs;
    const left = this.lastMove + allowed - performance.now();
    if (left <= 0) this.#finish('idle');
    else this.#watchIdle(left);
  }
}

/** What is read from one side and written to the other. */
class Side {
  readonly name: 'client' | 'destination';
  readonly socket: TunnelSocket;
  readonly #relay: Relay;
  #heldTimer: NodeJS.Timeout | null = null;
  #isClosed = false;
  /** Made with the first lent bytes. */
  #written: (() => void) | null = null;

  constructor(whole: Relay, name: Side['name'], socket: TunnelSocket) {
    this.#relay = whole;
    this.name = name;
    this.socket = socket;
  }

  get #other(): Side {
    return this.name === 'client' ? this.#relay.destination : this.#relay.client;
  }

  listen(): void {
    const socket: SidedSocket = this.socket;
    socket[sideOf] = this;
    socket.on('data', onData);
    socket.on('drain', onDrain);
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);
  }

  noteData(bytes: Buffer): void {
    this.#onBytes(bytes, false);
    if (this.#relay.options.largeReads.isFull(bytes)) process.nextTick(Side.#enlarge, this);
  }

  #onBytes(bytes: Buffer, isLent: boolean): void {
    const { counts } = this.#relay.options;
    const { socket } = this.#other;
    this.#relay.lastMove = performance.now();
    if (this.name === 'client') counts.bytesUp += bytes.length;
    else counts.bytesDown += bytes.length;
    // A side that is gone takes nothing; what still comes for it is read and dropped.
    if (socket.destroyed) return;
    const hasRoom = isLent ? socket.write(bytes, this.#onWritten) : socket.write(bytes);
    // Lent memory is read into again as soon as the reading goes on: not before all of it is written.
    if (!hasRoom || (isLent && socket.writableLength > 0)) this.#hold();
  }

  get #onWritten(): () => void {
    return (this.#written ??= this.#resumeWhenWritten.bind(this));
  }

  #resumeWhenWritten(): void {
    if (this.#other.socket.writableLength === 0) this.socket.resume();
  }

  #hold(): void {
    this.socket.pause();
    this.#heldTimer ??= setTimeout(Side.#checkHeld, heldCheckMs, this);
  }

  /** A socket that is not read tells of no reset, but a write of nothing fails on one. */
  static #checkHeld(this: void, side: Side): void {
    const { socket } = side;
    side.#heldTimer = socket.isPaused() && !socket.destroyed ? setTimeout(Side.#checkHeld, heldCheckMs, side) : null;
    if (side.#heldTimer && socket.writable && socket.writableLength === 0) socket.write('');
  }

  noteDrain(): void {
    this.#relay.lastMove = performance.now();
    this.#other.socket.resume();
  }

  noteEnd(): void {
    this.#relay.endedBy ??= this.name;
    this.#relay.isHalfClosed = true;
    this.#relay.lastMove = performance.now();
    endAfter(this.#other.socket);
  }

  noteError(): void {
    this.#relay.endedBy ??= this.name;
    // A reset is passed on as one. But what came before an orderly end is owed to the other side, whole: the reset is
    // then only the answer to what that side said too late.
    const { socket } = this.#other;
    if (socket.destroyed || !this.socket.readableEnded) reset(socket);
    else if (socket.writableFinished) lingeringClose(socket);
    else socket.once('finish', () => lingeringClose(socket));
  }

  /** Once, whoever tells of it first. */
  noteClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#heldTimer) clearTimeout(this.#heldTimer);
    const { socket } = this.#other;
    if (!socket.writableEnded && !socket.destroyed) socket.destroy();
    this.#relay.noteClosed(this.name);
    if (this.name === 'destination') letGoBehind(this.socket);
  }

  static #enlarge(this: void, side: Side): void {
    side.#relay.options.largeReads.begin(side.socket, (bytes, isLent) => side.#onBytes(bytes, isLent));
  }
}

function onData(this: SidedSocket, bytes: Buffer): void {
  this[sideOf]?.noteData(bytes);
}

function onDrain(this: SidedSocket): void {
  this[sideOf]?.noteDrain();
}

function onEnd(this: SidedSocket): void {
  this[sideOf]?.noteEnd();
}

function onError(this: SidedSocket): void {
  this[sideOf]?.noteError();
}

function onClose(this: SidedSocket): void {
  const side = this[sideOf];
  // A socket that has grown old would keep its whole tunnel until a full collection.
  this[sideOf] = null;
  side?.noteClose();
}
