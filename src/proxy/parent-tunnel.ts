/** CONNECT to a parent proxy over a connected socket, and its answer (RFC 9110 section 9.3.6). */
import type { Socket } from 'node:net';
import { ProxyError } from '../errors.ts';
import type { ProxyAnswer } from '../message/proxy-answer.ts';
import { createProxyAnswerReader } from '../message/proxy-answer.ts';
import type { Budget } from './wait-on-socket.ts';
import { waitOnSocket } from './wait-on-socket.ts';

/** So much of a parent's answer is read at most, in bytes. */
const maxHeadBytes = 16 * 1024;

export interface ParentRequest {
  /** `host:port` */
  readonly target: string;
  /** The value of our Via field. */
  readonly via: string;
  /** Our credential, or null. */
  readonly authorization: string | null;
}

export type ParentAnswer = Extract<ProxyAnswer, { type: 'answer' }>;

/**
 * Asks for a tunnel. After a 2xx the socket is paused and its next bytes are the tunnel's; after any other status it is
 * of no more use.
 * @throws ProxyError `response_invalid`, `connect_timeout`, `connect_failed`, or the signal's reason
 */
export function askParent(socket: Socket, request: ParentRequest, budget: Budget): Promise<ParentAnswer> {
  const { target, via, authorization } = request;
  const fields = [`Host: ${target}`, `Via: ${via}`];
  if (authorization !== null) fields.push(`Proxy-Authorization: ${authorization}`);
  const reader = createProxyAnswerReader(maxHeadBytes);
  return waitOnSocket<ParentAnswer>(socket, budget, {
    whom: 'parent proxy',
    begin: (done, fail) => {
      const onData = (bytes: Buffer) => {
        const answer = reader.push(bytes);
        if (answer.type === 'incomplete') return;
        socket.pause();
        socket.off('data', onData);
        if (answer.type === 'malformed') {
          return fail(new ProxyError('response_invalid', { phrase: `Invalid response: parent proxy, ${answer.why}` }));
        }
        // What came behind the head is the destination's: whoever reads next reads it first.
        if (answer.rest.length > 0) socket.unshift(answer.rest);
        done(answer);
      };
      const onEnd = () => fail(new ProxyError('connect_failed', { phrase: 'Connect failed: parent proxy closed' }));
      socket.on('data', onData);
      socket.on('end', onEnd);
      socket.resume();
      socket.write(`CONNECT ${target} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`, 'latin1');
      return () => {
        socket.off('data', onData);
        socket.off('end', onEnd);
      };
    },
  });
}
