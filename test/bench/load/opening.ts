/**
 * How a tunnel of the benchmark begins: a real ClientHello, so that a proxy that looks for one is content, then a frame
 * that tells the destination what to do. The bytes are the same for every peer.
 */

/**
 * What the destination does after the opening. `down`: sends `count` bytes. `up`: reads `count` bytes, then sends one.
 * `echo`: sends back what comes. `late`: waits for the client's half-close, then sends `count` bytes and closes.
 */
export type Task = 'down' | 'up' | 'echo' | 'late';

export interface Frame {
  readonly task: Task;
  readonly count: number;
}

const tasks: readonly Task[] = ['down', 'up', 'echo', 'late'];
const recordHeaderBytes = 5;
const frameBytes = 9;

/** One byte for the task, eight for the count. */
export function writeFrame({ task, count }: Frame): Buffer {
  const bytes = Buffer.alloc(frameBytes);
  bytes.writeUInt8(tasks.indexOf(task));
  bytes.writeBigUInt64BE(BigInt(count), 1);
  return bytes;
}

/** The frame behind the TLS record that `bytes` begin with, and where it ends; null while more is to come. */
export function readOpening(bytes: Buffer): { readonly frame: Frame; readonly end: number } | null {
  if (bytes.length < recordHeaderBytes) return null;
  const start = recordHeaderBytes + bytes.readUInt16BE(3);
  const end = start + frameBytes;
  if (bytes.length < end) return null;
  const task = tasks[bytes.readUInt8(start)];
  if (task === undefined) throw new Error(`no task ${bytes.readUInt8(start)}`);
  return { frame: { task, count: Number(bytes.readBigUInt64BE(start + 1)) }, end };
}
