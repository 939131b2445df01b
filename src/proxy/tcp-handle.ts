/** The platform's handle of a TCP connection, which is not public: this file says what of it is used, or that it is not there. */
import process from 'node:process';

/** What a handle is asked to do in time. What is left in it as `oncomplete` is called when that is done. */
export interface HandleRequest {
  oncomplete: ((this: HandleRequest, status: number) => void) | null;
}

/** Calls give 0 or a negative system error number. */
export interface TcpHandle {
  /** Bytes that came, and that went or wait to. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Called for each read; gives other memory to read into, if there is some. */
  onread: (this: TcpHandle, data: ArrayBuffer | undefined) => Uint8Array | undefined;
  connect(request: HandleRequest, address: string, port: number): number;
  connect6(request: HandleRequest, address: string, port: number): number;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
  writeBuffer(request: HandleRequest, bytes: Uint8Array): number;
  /** 1 where it is done at once. */
  shutdown(request: HandleRequest): number;
  /** Fills in who is at the other end. */
  getpeername(peer: { address?: string; port?: number }): number;
  setNoDelay(isOn: boolean): number;
  setKeepAlive(isOn: boolean, initialDelaySeconds: number): number;
  close(onClosed: () => void): void;
  reset(onClosed: () => void): number;
}

/** Where reads go, in the form that `net.connect` knows as `onread`. */
export interface ReadInto {
  /** The memory for the next read. */
  buffer(): Uint8Array;
  callback(length: number, into: Uint8Array): void;
}

/** What a listening server accepts with. */
export interface ListeningHandle {
  /** Called for each connection accepted, or with the error number of one that was not. */
  onconnection: (this: ListeningHandle, status: number, accepted: TcpHandle | undefined) => void;
  setNoDelay(isOn: boolean): number;
}

export interface TcpHandles {
  readonly create: () => TcpHandle;
  readonly ConnectRequest: new () => HandleRequest;
  readonly WriteRequest: new () => HandleRequest;
  readonly ShutdownRequest: new () => HandleRequest;
  /** Of the last read: how many bytes, or an error number. */
  readonly readLength: () => number;
  /** Of the last read: where in the data its bytes begin. */
  readonly readOffset: () => number;
  /** Whether some of the last write has to wait. */
  readonly isWriteWaiting: () => boolean;
  readonly endOfFile: number;
  readonly notConnected: number;
}

/** Null where this platform has it no more, or not in this form. */
export function findTcpHandles(): TcpHandles | null {
  try {
    const binding = Reflect.get(process, 'binding') as (name: string) => Record<string, unknown>;
    const { TCP, TCPConnectWrap, constants } = binding('tcp_wrap');
    const { WriteWrap, ShutdownWrap, streamBaseState, ...at } = binding('stream_wrap');
    const { UV_EOF, UV_ENOTCONN } = binding('uv');
    const Handle = TCP as new (type: number) => TcpHandle;
    const type = (constants as { readonly SOCKET: number }).SOCKET;
    const state = streamBaseState as Int32Array;
    const [length, offset, waiting] = [at['kReadBytesOrError'], at['kArrayBufferOffset'], at['kLastWriteWasAsync']];
    const numbers = [type, length, offset, waiting, UV_EOF, UV_ENOTCONN];
    if (!numbers.every(Number.isInteger) || !(state instanceof Int32Array)) return null;
    const entry = (index: unknown) => () => state[index as number] ?? 0;
    const lastWrite = entry(waiting);
    return {
      create: () => new Handle(type),
      ConnectRequest: TCPConnectWrap as TcpHandles['ConnectRequest'],
      WriteRequest: WriteWrap as TcpHandles['WriteRequest'],
      ShutdownRequest: ShutdownWrap as TcpHandles['ShutdownRequest'],
      readLength: entry(length),
      readOffset: entry(offset),
      isWriteWaiting: () => lastWrite() !== 0,
      endOfFile: UV_EOF as number,
      notConnected: UV_ENOTCONN as number,
    };
  } catch {
    return null;
  }
}
