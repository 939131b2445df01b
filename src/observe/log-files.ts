/** The files of an access log: the one in use and the rotated ones beside it, plain or packed, oldest first. */
import { open, readdir } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable, pipeline } from 'node:stream';
import type { Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';

/** One place that lines come from. */
export interface LogSource {
  /** What reports call it. */
  readonly name: string;
  /** Bytes to be read, packed ones as they are on disk; null where nobody knows. */
  readonly bytes: number | null;
  /** When it was last written, in milliseconds since 1970; null where nobody knows. */
  readonly modified: number | null;
  /** Blocks in order, each good until the next one is asked for; `onBytes` is told what was taken from the disk. */
  blocks(onBytes: (bytes: number) => void): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

const blockBytes = 128 * 1024;

/** A log file and those that a rotation made of it (`.1`, `.2.gz`, `-20260131.gz`), oldest first, itself last. */
export async function findRotated(path: string): Promise<readonly string[]> {
  const folder = dirname(path);
  const name = basename(path);
  const rotated = (await readdir(folder)).flatMap((entry) => {
    const age = entry.startsWith(name) ? ageOf(entry.slice(name.length)) : null;
    return age === null ? [] : [{ path: join(folder, entry), age }];
  });
  rotated.sort((a, b) => compareAges(a.age, b.age));
  return [...rotated.map((file) => file.path), path];
}

interface Age {
  readonly date: string | null;
  readonly number: number;
}

/** What the end of a name says of a rotated file's age; null for a file that is none. */
function ageOf(suffix: string): Age | null {
  const [, number, date] = /^(?:\.(\d{1,6})|[-.](\d{8}(?:[-T]?\d{1,10})?))(?:\.gz|\.zst)?$/.exec(suffix) ?? [];
  if (number === undefined && date === undefined) return null;
  return { date: date ?? null, number: Number(number ?? 0) };
}

/** Dates go up, numbers go down; where both ways were used, the dated ones are from the older set-up. */
function compareAges(a: Age, b: Age): number {
  if (a.date !== null && b.date !== null) return a.date < b.date ? -1 : 1;
  if (a.date !== null || b.date !== null) return a.date === null ? 1 : -1;
  return b.number - a.number;
}

/**
 * Opens files all at once, so that a rotation meanwhile moves none away or in twice; one that vanished before that is
 * left out if there are others. Throws what the system says of a file that cannot be opened.
 */
export async function openLogFiles(paths: readonly string[]): Promise<readonly LogSource[]> {
  const seen = new Set<string>();
  const sources: LogSource[] = [];
  for (const path of paths) {
    try {
      const handle = await open(path);
      const { dev, ino, size, mtimeMs } = await handle.stat();
      const source = fileSource(path, handle, size, mtimeMs);
      if (seen.has(`${dev} ${ino}`)) await source.close();
      else sources.push(source);
      seen.add(`${dev} ${ino}`);
    } catch (error) {
      if (isMissing(error) && path !== paths.at(-1)) continue;
      await Promise.all(sources.map((source) => source.close()));
      throw error;
    }
  }
  return sources;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function fileSource(path: string, handle: FileHandle, bytes: number, modified: number): LogSource {
  return {
    name: path,
    bytes,
    modified,
    blocks: (onBytes) => unpackIfPacked(fileBlocks(handle, onBytes)),
    close: () => handle.close(),
  };
}

/** One block's memory, over and over: however long the file is, what waits for collection is not. */
async function* fileBlocks(handle: FileHandle, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  const block = Buffer.allocUnsafeSlow(blockBytes);
  for (let position = 0; ;) {
    const { bytesRead } = await handle.read(block, 0, blockBytes, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    onBytes(bytesRead);
    yield block.subarray(0, bytesRead);
  }
}

/** Lines from a stream such as standard input; it may be packed as well. */
export function streamSource(name: string, stream: Readable): LogSource {
  return {
    name,
    bytes: null,
    modified: null,
    blocks: () => unpackIfPacked(stream),
    close: () => Promise.resolve(),
  };
}

/** By the first bytes and not by the name: a file unpacked in place keeps its `.gz` at times. */
async function* unpackIfPacked(blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const iterator = blocks[Symbol.asyncIterator]();
  const head = await iterator.next();
  if (head.done) return;
  const whole = async function* (): AsyncGenerator<Buffer> {
    yield head.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  };
  const unpacker = unpackerFor(head.value);
  if (unpacker === null) {
    yield* whole();
    return;
  }
  const copies = async function* (): AsyncGenerator<Buffer> {
    // The unpacker holds a block while the next one is read.
    for await (const block of whole()) yield Buffer.from(block);
  };
  // A failure comes out of the loop over the unpacker; the callback only keeps it from coming out twice.
  pipeline(Readable.from(copies(), { highWaterMark: 1 }), unpacker, () => {});
  yield* unpacker as AsyncIterable<Buffer>;
}

function unpackerFor(head: Buffer): Transform | null {
  if (head[0] === 0x1f && head[1] === 0x8b) return createGunzip({ chunkSize: blockBytes });
  return head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528
    ? createZstdDecompress({ chunkSize: blockBytes })
    : null;
}
