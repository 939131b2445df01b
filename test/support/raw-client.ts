/** A client that says exactly the bytes it is told, for requests that no HTTP library would send. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { keepOutput } from './output.ts';
import { createWire } from './wire.ts';
import type { Wire } from './wire.ts';

/** Connects to a loopback port; `localAddress` (any of 127/8) lets one machine play several clients. */
export async function connectRaw(
  port: number,
  options: { readonly host?: string; readonly localAddress?: string } = {},
): Promise<Wire> {
  const { host = '127.0.0.1', localAddress } = options;
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true, ...(localAddress && { localAddress }) });
  // Refusals explain themselves; what a destination sends comes behind them.
  socket.once('data', keepOutput);
  await once(socket, 'connect');
  return createWire(socket);
}

/** The parts of the first HTTP message in `text`: its start line, its fields (lower-case names), and what follows. */
export function parseMessage(text: string): {
  readonly startLine: string;
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly rest: string;
} {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) throw new Error(`no end of head in ${JSON.stringify(text)}`);
  const [startLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const earlier = fields.get(name);
    fields.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  }
  return { startLine, status: Number(/^HTTP\/\d\.\d (\d{3})/.exec(startLine)?.[1]), fields, rest: text.slice(end + 4) };
}
