/**
 * A TCP connection straight over the platform's handle. What a tunnel does not need of `net.Socket` are its two streams:
 * most of what one costs, and more of it once plain http has run through the same code.
 */
import { Socket } from 'node:net';
import process from 'node:process';
import { getSystemErrorName } from 'node:util';
import { Listeners } from './listeners.ts';
import type { HandleRequest, ReadInto, TcpHandle, TcpHandles } from './tcp-handle.ts';
import type { ClientSocket } from './tunnel-socket.ts';

/** So many bytes may wait to be written; the platform's streams have the same bound. */
const highWaterBytes = 64 * 1024;

const nothing = Buffer.alloc(0);

type SocketHandle = TcpHandle & { socket: BareSocket | null };
type SocketRequest = HandleRequest & { socket: BareSocket };
type WriteRequest = SocketRequest & { bytes: Uint8Array; onWritten: (() => void) | undefined };

export class BareSocket extends Listeners implements ClientSocket {
  closed = false;
  destroyed = false;
  readableEnded = false;
  writableEnded = false;
  writableFinished = false;
  writableLength = 0;
  writableNeedDrain = false;
  /** Who is at the other end of one that was accepted. */
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly #handles: TcpHandles;
  readonly #handle: SocketHandle;
  #isConnected: boolean;
  #isPaused = true;
  #isReading = false;
  #into: ReadInto | null = null;
  /** What the handle reads into at the moment: it does not keep the memory itself. */
  #lent: Uint8Array | null = null;
  /** What came before the first `resume`, and then the end if it is empty. */
  #ahead: Buffer | null = null;

  /** Paused, over a new handle or one that was accepted, where small writes go out at once. */
  constructor(handles: TcpHandles, accepted: TcpHandle | null = null) {
    super();
    this.#handles = handles;
    const handle = (accepted ?? handles.create()) as SocketHandle;
    handle.socket = this;
    handle.onread = onRead;
    this.#handle = handle;
    this.#isConnected = accepted !== null;
    const peer: { address?: string; port?: number } = {};
    accepted?.getpeername(peer);
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
  }

  get writable(): boolean {
    return this.#isConnected && !this.writableEnded && !this.destroyed;
  }

  get bytesRead(): number {
    return this.#handle.bytesRead;
  }

  get bytesWritten(): number {
    return this.#handle.bytesWritten;
  }

  connect(address: string, port: number): this {
    const request = this.#request(this.#handles.ConnectRequest, onConnected);
    const status = address.includes(':')
      ? this.#handle.connect6(request, address, port)
      : this.#handle.connect(request, address, port);
    if (status !== 0) this.#fail('connect', status);
    return this;
  }

  noteConnected(status: number): void {
    if (this.destroyed) return;
    if (status !== 0) return this.#fail('connect', status);
    this.#isConnected = true;
    this.#handle.setNoDelay(true);
    // At once, or the event loop would watch for a while that it can be written to; and a reset is seen only where it is read.
    this.#readOn();
    this.emit('connect');
  }

  /** Whether reads go into memory of a reader's. */
  get isReadInto(): boolean {
    return this.#into !== null;
  }

  /** From now on reads go into other memory, and no `data` tells of them. */
  readInto(into: ReadInto): this {
    this.#into = into;
    this.#lent = into.buffer();
    this.#handle.useUserBuffer(this.#lent);
    return this;
  }

  noteRead(data: ArrayBuffer | undefined): Uint8Array | undefined {
    const length = this.#handles.readLength();
    if (length > 0 && this.#into && this.#lent) return this.#noteReadInto(this.#into, this.#lent, length);
    if (length > 0 && data) return this.#noteData(data, length);
    // Nothing came after all.
    if (length === 0 || this.destroyed) return undefined;
    this.#isReading = false;
    if (length !== this.#handles.endOfFile) this.#fail('read', length);
    else if (this.#isPaused) this.#ahead = nothing;
    else this.#noteEnd();
    return undefined;
  }

  #noteData(data: ArrayBuffer, length: number): undefined {
    const bytes = Buffer.from(data, this.#handles.readOffset(), length);
    if (this.#isPaused) {
      this.#ahead = bytes;
      this.pause();
    } else this.emit('data', bytes);
  }

  #noteEnd(): void {
    this.readableEnded = true;
    this.emit('end');
    this.#closeWhenDone();
  }

  static #giveAhead(this: void, socket: BareSocket): void {
    const bytes = socket.#ahead;
    if (bytes === null || socket.#isPaused || socket.destroyed) return;
    socket.#ahead = null;
    if (bytes.length === 0) return socket.#noteEnd();
    socket.emit('data', bytes);
    if (!socket.#isPaused) socket.#readOn();
  }

  #noteReadInto(into: ReadInto, lent: Uint8Array, length: number): Uint8Array | undefined {
    into.callback(length, lent);
    const next = into.buffer();
    if (next === lent) return undefined;
    this.#lent = next;
    return next;
  }

  pause(): this {
    this.#isPaused = true;
    if (this.#isReading) {
      this.#isReading = false;
      this.#handle.readStop();
    }
    return this;
  }

  resume(): this {
    this.#isPaused = false;
    if (this.#ahead) process.nextTick(BareSocket.#giveAhead, this);
    else this.#readOn();
    return this;
  }

  #readOn(): void {
    if (this.#isReading || this.readableEnded || this.destroyed) return;
    this.#isReading = true;
    const status = this.#handle.readStart();
    if (status !== 0) this.#fail('read', status);
  }

  isPaused(): boolean {
    return this.#isPaused;
  }

  write(bytes: Uint8Array | string, onWritten?: () => void): boolean {
    if (!this.writable) return false;
    const block = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    const request = new this.#handles.WriteRequest() as WriteRequest;
    const status = this.#handle.writeBuffer(request, block);
    if (status !== 0) {
      // Not in the middle of what the writer does: it hears of it as of everything else.
      process.nextTick(() => this.#fail('write', status));
      return true;
    }
    if (!this.#handles.isWriteWaiting()) return true;
    request.socket = this;
    // The handle does not keep what it still has to write.
    request.bytes = block;
    request.onWritten = onWritten;
    request.oncomplete = onWrittenOut;
    this.writableLength += block.length;
    this.writableNeedDrain ||= this.writableLength >= highWaterBytes;
    return !this.writableNeedDrain;
  }

  noteWritten({ bytes, onWritten }: WriteRequest, status: number): void {
    this.writableLength -= bytes.length;
    if (this.destroyed) return;
    if (status !== 0) return this.#fail('write', status);
    onWritten?.();
    if (this.writableLength > 0 || !this.writableNeedDrain) return;
    this.writableNeedDrain = false;
    this.emit('drain');
  }

  /** Half-closes once everything is written. */
  end(): this {
    if (!this.writable) return this;
    this.writableEnded = true;
    const request = this.#request(this.#handles.ShutdownRequest, onShutDown);
    const status = this.#handle.shutdown(request);
    if (status === 1 || status === this.#handles.notConnected) process.nextTick(onShutDown.bind(request));
    else if (status !== 0) this.#fail('shutdown', status);
    return this;
  }

  noteShutDown(): void {
    if (this.destroyed) return;
    this.writableFinished = true;
    this.emit('finish');
    this.#closeWhenDone();
  }

  setKeepAlive(isOn: boolean, initialDelayMs: number): this {
    if (!this.destroyed) this.#handle.setKeepAlive(isOn, Math.floor(initialDelayMs / 1000));
    return this;
  }

  destroy(error: Error | null = null): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.#handle.close(this.#sayClosed.bind(this, error));
    return this;
  }

  resetAndDestroy(): this {
    if (this.destroyed) return this;
    // The platform resets no connection whose half-close is still to go out.
    const isEnding = this.writableEnded && !this.writableFinished;
    if (!this.#isConnected || isEnding) return this.destroy();
    this.destroyed = true;
    const onClosed = this.#sayClosed.bind(this, null);
    if (this.#handle.reset(onClosed) !== 0) this.#handle.close(onClosed);
    return this;
  }

  /**
   * Gives the connection to a `net.Socket`, paused, that begins with what was read already. This socket is of no more use
   * and says that it is closed when that one is.
   */
  handOver(read: Buffer): Socket {
    this.pause();
    this.destroyed = true;
    this.#handle.socket = null;
    const options: object = { handle: this.#handle, allowHalfOpen: true, manualStart: true };
    const taken = new Socket(options);
    taken.once('close', () => this.#sayClosed(null));
    taken.unshift(read);
    return taken;
  }

  #sayClosed(error: Error | null): void {
    this.closed = true;
    if (error) this.emit('error', error);
    this.emit('close');
  }

  #closeWhenDone(): void {
    if (this.readableEnded && this.writableFinished) this.destroy();
  }

  #fail(syscall: string, status: number): void {
    const code = getSystemErrorName(status);
    this.destroy(Object.assign(new Error(`${syscall} ${code}`), { errno: status, code, syscall }));
  }

  #request(Request: new () => HandleRequest, oncomplete: NonNullable<HandleRequest['oncomplete']>): SocketRequest {
    const request = new Request() as SocketRequest;
    request.socket = this;
    request.oncomplete = oncomplete;
    return request;
  }
}

function onRead(this: TcpHandle, data: ArrayBuffer | undefined): Uint8Array | undefined {
  return (this as SocketHandle).socket?.noteRead(data);
}

function onConnected(this: HandleRequest, status: number): void {
  (this as SocketRequest).socket.noteConnected(status);
}

function onWrittenOut(this: HandleRequest, status: number): void {
  (this as WriteRequest).socket.noteWritten(this as WriteRequest, status);
}

function onShutDown(this: HandleRequest): void {
  (this as SocketRequest).socket.noteShutDown();
}
