/** A tunnel as a client opens it: CONNECT, the head of the answer, and what comes behind it. */
import { connectRaw, parseMessage } from './raw-client.ts';
import type { Bytes, Wire } from './wire.ts';

/** Loopback destinations are private like any other; tests that dial them say so. */
export const admitLoopback = 'privateDestinations: ["127.0.0.0/8", "::1/128"]\n';
/** The same where what flows is not TLS. */
export const plainLoopback = `${admitLoopback}tlsServerName: off\n`;

export interface Tunnel extends AsyncDisposable {
  readonly wire: Wire;
  readonly status: number;
  /** The whole status line. */
  readonly startLine: string;
  readonly fields: ReadonlyMap<string, string>;
  /** What came behind the head so far. */
  readonly content: Buffer;
  /** Waits for so many bytes behind the head. */
  contentOf(bytes: number): Promise<Buffer>;
  /** Everything behind the head once the proxy has sent its FIN; fails on a reset. */
  rest(): Promise<Buffer>;
}

export interface TunnelOptions {
  /** Sent in the same segment, right behind the head. */
  readonly early?: Bytes;
  /** Which of 127/8 the client is. */
  readonly localAddress?: string;
  readonly userAgent?: string;
}

/** Sends `CONNECT target HTTP/1.1` and waits for the answer's head. */
export async function openTunnel(port: number, target: string, options: TunnelOptions = {}): Promise<Tunnel> {
  const { early = '', localAddress, userAgent } = options;
  const agent = userAgent === undefined ? '' : `User-Agent: ${userAgent}\r\n`;
  const wire = await connectRaw(port, { ...(localAddress !== undefined && { localAddress }) });
  const head = Buffer.from(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${agent}\r\n`, 'latin1');
  await wire.write(Buffer.concat([head, typeof early === 'string' ? Buffer.from(early, 'latin1') : early]));
  return readAnswer(wire);
}

/** Waits for the head of the answer on a wire that has asked. */
export async function readAnswer(wire: Wire): Promise<Tunnel> {
  const head = await wire.until('\r\n\r\n');
  const { status, startLine, fields } = parseMessage(head);
  return {
    wire,
    status,
    startLine,
    fields,
    get content() {
      return wire.received.subarray(head.length);
    },
    async contentOf(bytes) {
      await wire.until(head.length + bytes);
      return wire.received.subarray(head.length, head.length + bytes);
    },
    rest: async () => (await wire.all()).subarray(head.length),
    [Symbol.asyncDispose]: () => wire[Symbol.asyncDispose](),
  };
}
