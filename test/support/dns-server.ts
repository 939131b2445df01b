/** A DNS server on loopback (UDP and TCP) that answers as the test says and records what it was asked. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { decode, encode, TRUNCATED_RESPONSE, AUTHORITATIVE_ANSWER } from 'dns-packet';
import type { Answer, Packet } from 'dns-packet';

/** The kinds of record that a proxy asks for. */
export type AddressType = 'A' | 'AAAA';

/** What one query is answered with: addresses (none: an empty answer), an alias, an error, or nothing at all. */
export type Reply = readonly string[] | { readonly alias: string } | 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED' | 'silence';

export interface Query {
  readonly name: string;
  readonly type: string;
  readonly transport: 'udp' | 'tcp';
}

export interface DnsServer {
  /** `127.0.0.1:port`, as `Resolver.setServers` takes it. */
  readonly server: string;
  readonly port: number;
  /** Every question so far, oldest first, names in lower case. */
  readonly queries: readonly Query[];
  /** Sets the answers to the first, second ... question; the last one stands for all that follow. */
  set(name: string, type: AddressType, ...replies: readonly Reply[]): void;
  /** Seconds that answers may be kept by who asked; 60 unless set. */
  ttlSeconds: number;
  /** Waits for the question of that index (from 0) and gives it. */
  query(index?: number): Promise<Query>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const errorCodes = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** Listens on one free port of 127.0.0.1 for both transports. A name that was not set does not exist (NXDOMAIN). */
export async function createDnsServer(): Promise<DnsServer> {
  const zone = new Map<string, Reply[]>();
  const names = new Set<string>();
  const queries: Query[] = [];
  const waiting = new Set<() => void>();
  const sockets = new Set<Socket>();

  const nextReply = (name: string, type: string): Reply => {
    const replies = zone.get(`${type} ${name}`);
    if (replies === undefined) return names.has(name) ? [] : 'NXDOMAIN';
    return (replies.length > 1 ? replies.shift() : replies[0]) ?? [];
  };

  /** The whole answer to one packet, or null for silence; over UDP cut to what the asker can take (RFC 6891). */
  const answer = (bytes: Buffer, transport: 'udp' | 'tcp'): Buffer | null => {
    const asked: Packet = decode(bytes);
    const question = asked.questions?.[0];
    if (question === undefined) return null;
    const name = question.name.toLowerCase();
    queries.push({ name, type: question.type, transport });
    for (const check of waiting) check();
    const reply = nextReply(name, question.type);
    if (reply === 'silence') return null;
    const answers: Answer[] = [];
    if (typeof reply === 'object') {
      const ttl = server.ttlSeconds;
      const type = question.type as AddressType;
      if ('alias' in reply) answers.push({ type: 'CNAME', name: question.name, ttl, data: reply.alias });
      else for (const data of reply) answers.push({ type, name: question.name, ttl, data });
    }
    const code = typeof reply === 'string' ? errorCodes[reply] : 0;
    const packet: Packet = { ...(asked.id !== undefined && { id: asked.id }), type: 'response', questions: [question] };
    const whole = encode({ ...packet, flags: AUTHORITATIVE_ANSWER | code, answers });
    const opt = asked.additionals?.find((record) => record.type === 'OPT');
    if (transport === 'tcp' || whole.length <= Math.max(512, opt?.udpPayloadSize ?? 0)) return whole;
    return encode({ ...packet, flags: AUTHORITATIVE_ANSWER | TRUNCATED_RESPONSE });
  };

  const stream = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let pending = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      // Each message has its length in front, in two bytes (RFC 1035 section 4.2.2).
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        const reply = answer(pending.subarray(2, end), 'tcp');
        pending = pending.subarray(end);
        if (reply === null) continue;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        socket.write(Buffer.concat([length, reply]));
      }
    });
  });
  stream.listen(0, '127.0.0.1');
  await once(stream, 'listening');
  const { port } = stream.address() as AddressInfo;
  const datagrams = createSocket('udp4', (bytes, sender) => {
    const reply = answer(bytes, 'udp');
    if (reply !== null) datagrams.send(reply, sender.port, sender.address);
  });
  datagrams.bind(port, '127.0.0.1');
  await once(datagrams, 'listening');

  const close = async (): Promise<void> => {
    if (!stream.listening) return;
    const gone = Promise.all([once(stream, 'close'), once(datagrams, 'close')]);
    stream.close();
    datagrams.close();
    for (const socket of sockets) socket.destroy();
    await gone;
  };
  const server: DnsServer = {
    server: `127.0.0.1:${port}`,
    port,
    queries,
    ttlSeconds: 60,
    set(name, type, ...replies) {
      names.add(name.toLowerCase());
      zone.set(`${type} ${name.toLowerCase()}`, [...replies]);
    },
    query: (index = 0) =>
      new Promise((resolve) => {
        const check = (): void => {
          const query = queries[index];
          if (query === undefined) return;
          waiting.delete(check);
          resolve(query);
        };
        waiting.add(check);
        check();
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
  return server;
}
