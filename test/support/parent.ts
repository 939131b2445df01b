/** A parent proxy under a test's hand: it records what it was asked and answers as the test says. */
import { connect } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { createDestination } from './destination.ts';
import type { Behaviour, Destination } from './destination.ts';
import type { Bytes } from './wire.ts';

/** Reads a head, answers it with `bytes`, and goes on as `then` says. */
export const answerHead =
  (bytes: Bytes, then: Behaviour = () => undefined): Behaviour =>
  async (wire) => {
    await wire.until('\r\n\r\n');
    await wire.write(bytes);
    await then(wire);
  };

/** Opens every tunnel to one port of loopback, whatever name it was asked for; `behind` comes behind its 200 head. */
export const tunnelTo =
  (port: number, behind = ''): Behaviour =>
  async (wire) => {
    const head = await wire.until('\r\n\r\n');
    await wire.write(`HTTP/1.1 200 Connection established\r\n\r\n${behind}`);
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const early = wire.received.subarray(head.length);
    if (early.length > 0) socket.write(early);
    wire.socket.pipe(socket).pipe(wire.socket);
    socket.on('error', () => wire.socket.destroy());
    wire.socket.on('error', () => socket.destroy());
  };

export const createParent = (behaviour: Behaviour, options: { readonly tls?: TlsOptions } = {}): Promise<Destination> =>
  createDestination(behaviour, options);
