/** A bare socket behaves to a tunnel as a `net.Socket` does. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { probeBareSockets } from '../../src/proxy/bare-sockets-probe.ts';
import type { BareSocket } from '../../src/proxy/bare-socket.ts';
import { told } from '../../src/proxy/listeners.ts';
import type { TunnelSocket } from '../../src/proxy/tunnel-socket.ts';
import { connectPlain } from '../../src/proxy/tunnel-socket.ts';
import { bareSockets } from '../support/bare-sockets.ts';

/** A listener that is gone at the end of its block, with what it accepted. */
async function listen(host: string, onAccepted: (socket: Socket) => void) {
  const accepted: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    socket.on('error', () => {});
    onAccepted(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    server,
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]() {
      for (const socket of accepted) socket.destroy();
      server.close();
    },
  };
}

/** Everything that a socket tells of, in order. */
function watch(socket: TunnelSocket) {
  const events: string[] = [];
  const pieces: Buffer[] = [];
  socket.on('error', (error: NodeJS.ErrnoException) => events.push(`error ${error.code}`));
  for (const name of ['connect', 'end', 'finish', 'close'] as const) socket.on(name, () => events.push(name));
  socket.on('data', (bytes: Buffer) => pieces.push(Buffer.from(bytes)));
  return { events, text: () => Buffer.concat(pieces).toString() };
}

test('the probe finds them to work on this platform', async () => {
  expect(await probeBareSockets()).not.toBeNull();
});

describe('accepted', () => {
  const bare = bareSockets();

  test('a bare socket knows its client, and a net.Socket begins with what was read of it', async () => {
    using listener = await listen('127.0.0.1', () => expect.unreachable());
    const accepted = Promise.withResolvers<BareSocket>();
    expect(bare.accept(listener.server, accepted.resolve)).toBe(true);
    const client = connectPlain('127.0.0.1', listener.port).on('error', () => {});
    client.write('read, ');
    const socket = await accepted.promise;
    expect([socket.remoteAddress, socket.remotePort]).toEqual([client.localAddress, client.localPort]);
    const { events } = watch(socket);
    const piece = told(socket, 'data');
    socket.resume();
    const read = (await piece) as Buffer;
    const taken = socket.handOver(read);
    expect([socket.writable, socket.write('no more'), taken.bytesRead]).toEqual([false, false, read.length]);
    const heard = watch(client);
    taken.pipe(taken);
    client.end('and still to be read');
    await once(client, 'close');
    expect(heard.text()).toBe('read, and still to be read');
    expect(events).toEqual(['close']);
  });

  test('a bare socket takes the place of a net.Socket, and hears of an end that came before', async () => {
    const accepted = Promise.withResolvers<Socket>();
    using listener = await listen('127.0.0.1', accepted.resolve);
    const client = connectPlain('127.0.0.1', listener.port).on('error', () => {});
    const heard = watch(client);
    const socket = await accepted.promise;
    client.end();
    // What is not read has its end in its buffer.
    await once(client, 'finish');
    const taken = bare.takeOver(socket)!;
    expect(bare.takeOver(socket)).toBeNull();
    const { events } = watch(taken);
    taken.resume();
    await told(taken, 'end');
    taken.write('an answer');
    const gone = once(socket, 'close');
    taken.end();
    await Promise.all([gone, once(client, 'close')]);
    expect([heard.text(), events]).toEqual(['an answer', ['end', 'finish', 'close']]);
  });

  test('what a net.Socket has read stays its own', async () => {
    const accepted = Promise.withResolvers<Socket>();
    using listener = await listen('127.0.0.1', accepted.resolve);
    const client = connectPlain('127.0.0.1', listener.port).on('error', () => {});
    client.write('read');
    const socket = await accepted.promise;
    await once(socket, 'readable');
    expect(bare.takeOver(socket)).toBeNull();
    expect(String(socket.read())).toBe('read');
    client.destroy();
  });
});

describe.each([
  ['net.Socket', connectPlain],
  ['a bare socket', bareSockets().connect],
] as const)('%s', (_name, connect: (address: string, port: number) => TunnelSocket) => {
  test.each(['127.0.0.1', '::1'])('carries both ways over %s and is closed when both halves are', async (host) => {
    using listener = await listen(host, (socket) => socket.pipe(socket));
    const socket = connect(host, listener.port);
    const { events, text } = watch(socket);
    await told(socket, 'connect');
    socket.resume();
    socket.write('there ');
    socket.write(Buffer.from('and back'));
    socket.end();
    await told(socket, 'close');
    expect(text()).toBe('there and back');
    expect(events).toEqual(['connect', 'finish', 'end', 'close']);
    expect(socket).toMatchObject({ destroyed: true, readableEnded: true, writableFinished: true, writable: false });
  });

  test('keeps its half open when the other end has closed its own', async () => {
    const heard = Promise.withResolvers<string>();
    using listener = await listen('127.0.0.1', (socket) => {
      socket.end('all I have');
      socket.on('data', (bytes) => heard.resolve(bytes.toString()));
    });
    const socket = connect('127.0.0.1', listener.port);
    watch(socket);
    socket.resume();
    await told(socket, 'end');
    socket.write('an answer');
    expect(await heard.promise).toBe('an answer');
    expect(socket.destroyed).toBe(false);
    socket.end();
    await told(socket, 'close');
  });

  test('says that it was refused', async () => {
    const listener = await listen('127.0.0.1', () => {});
    listener[Symbol.dispose]();
    const socket = connect('127.0.0.1', listener.port);
    const { events } = watch(socket);
    await new Promise((closed) => socket.once('close', closed));
    expect(events).toEqual(['error ECONNREFUSED', 'close']);
  });

  test('given up while it connects it says nothing but that it is closed', async () => {
    using listener = await listen('127.0.0.1', () => {});
    const socket = connect('127.0.0.1', listener.port);
    const { events } = watch(socket);
    socket.destroy();
    await told(socket, 'close');
    expect(events).toEqual(['close']);
  });

  test('reads nothing while it is paused', async () => {
    using listener = await listen('127.0.0.1', (socket) => socket.end('for later'));
    const socket = connect('127.0.0.1', listener.port);
    socket.pause();
    await told(socket, 'connect');
    const { events, text } = watch(socket);
    expect(socket.isPaused()).toBe(true);
    socket.resume();
    await told(socket, 'end');
    expect([text(), events]).toEqual(['for later', ['end']]);
    socket.destroy();
  });

  test('asks to wait when nobody reads, and says when there is room again', async () => {
    const reader = Promise.withResolvers<Socket>();
    using listener = await listen('127.0.0.1', (socket) => reader.resolve(socket.pause()));
    const socket = connect('127.0.0.1', listener.port);
    watch(socket);
    await told(socket, 'connect');
    const block = Buffer.alloc(1 << 20, 7);
    let sent = block.length;
    for (; socket.write(block) && sent < 200 * block.length; sent += block.length);
    expect([socket.writableNeedDrain, socket.writableLength > 0]).toEqual([true, true]);
    const drained = told(socket, 'drain');
    let received = 0;
    const far = await reader.promise;
    far.on('data', (bytes) => (received += bytes.length)).resume();
    await drained;
    expect([socket.writableNeedDrain, socket.writableLength]).toEqual([false, 0]);
    socket.end();
    await once(far, 'end');
    expect(received).toBe(sent);
    socket.destroy();
  });

  test('tells of a reset, and resets', async () => {
    const far = Promise.withResolvers<Socket>();
    using listener = await listen('127.0.0.1', (socket) => far.resolve(socket));
    const socket = connect('127.0.0.1', listener.port);
    const { events } = watch(socket);
    socket.resume();
    await told(socket, 'connect');
    (await far.promise).resetAndDestroy();
    await new Promise((closed) => socket.once('close', closed));
    expect(events).toEqual(['connect', 'error ECONNRESET', 'close']);

    const other = Promise.withResolvers<Socket>();
    using second = await listen('127.0.0.1', (accepted) => other.resolve(accepted));
    const resetting = connect('127.0.0.1', second.port);
    await told(resetting, 'connect');
    const accepted = await other.promise;
    const code = new Promise((heard) => accepted.on('error', (error: NodeJS.ErrnoException) => heard(error.code)));
    accepted.resume();
    resetting.resetAndDestroy();
    expect(await code).toBe('ECONNRESET');
  });

  test('a write to a connection that was reset fails behind the write, not in it', async () => {
    const far = Promise.withResolvers<Socket>();
    using listener = await listen('127.0.0.1', (socket) => far.resolve(socket));
    const socket = connect('127.0.0.1', listener.port);
    socket.pause();
    await told(socket, 'connect');
    const { events } = watch(socket);
    const accepted = await far.promise;
    accepted.resetAndDestroy();
    await once(accepted, 'close');
    socket.write('too late');
    expect(socket.destroyed).toBe(false);
    await new Promise((closed) => socket.once('close', closed));
    expect(events[0]).toMatch(/^error E(PIPE|CONNRESET)$/);
  });
});
