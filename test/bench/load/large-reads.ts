/** Reads of up to a megabyte from a socket that was accepted: the far end of an upload must not be what is measured. */
import { Socket } from 'node:net';

/** The part of node:net's handle that is needed here and is not public. */
interface Handle {
  reading: boolean;
  readStop(): void;
}

/** Where node:net keeps the handle; not public either. */
const place = '_handle';
/** Shared by all sockets: what was read is counted at once and never kept. */
const buffer = Buffer.allocUnsafeSlow(1 << 20);

/** Takes the connection over from `accepted`, which is dead then; `onRead` is told how many bytes came. */
export function readLarge(accepted: Socket, onRead: (bytes: number) => void): Socket {
  const owner = accepted as unknown as { [place]: Handle | null };
  const handle = owner[place];
  if (!handle) return accepted;
  handle.readStop();
  handle.reading = false;
  owner[place] = null;
  accepted.removeAllListeners();
  const onread = {
    buffer,
    callback(bytes: number): boolean {
      onRead(bytes);
      return true;
    },
  };
  // `handle` and `onread` are options of the constructor that its types do not tell of.
  const options = { handle, onread, allowHalfOpen: true, readable: true, writable: true };
  return new Socket(options as object);
}
