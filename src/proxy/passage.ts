/**
 * One request on its way: over the judged socket to the destination, and the answer back. Whatever goes wrong on either
 * side, it ends here once, with both directions stopped and the bytes counted.
 */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { STATUS_CODES } from './node-http.ts';
import type { Socket } from 'node:net';
import { ProxyError } from '../errors.ts';
import { checkAnswerFields, responseFields } from '../message/fields.ts';
import type { ParentProxy } from '../state/parent-proxy.ts';
import type { Exchange } from './exchange.ts';
import { refusedByParent } from './parent.ts';
import type { Destination } from './reach.ts';
import { StallWatch } from './stall.ts';

/** So many interim responses (1xx) of a destination are dropped; one more is an invalid response. */
const maxInterim = 16;
/** The platform hands over so many fields of an answer and loses the rest in silence. */
const maxAnswerFields = 1000;

export interface Passage {
  readonly exchange: Exchange;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Connected and paused. */
  readonly destination: Socket;
  /** Our name in `Via`. */
  readonly viaName: string;
  /** The parent proxy that is asked; null: the destination itself. */
  readonly asking: ParentProxy | null;
  readonly way: Destination<Socket>['way'];
  /** Gets the socket back as soon as all of the answer came over it, if it can carry another request. */
  readonly onFree: () => void;
}

/** A kept connection turned out to be closed before anything of an answer came over it. */
export class StaleConnection extends Error {}

/** What comes back to a passage from the client of node:http that carries it. */
export interface PassageEvents {
  readonly onRequest: (outgoing: ClientRequest) => void;
  readonly onResponse: (incoming: IncomingMessage) => void;
  readonly onError: (error: Error) => void;
}

/**
 * Lets `send` start the request and brings the answer back; resolves when the whole answer is out. Its socket is closed
 * unless it was handed to `onFree`.
 * @throws StaleConnection; ProxyError `response_invalid`, `response_timeout`, `request_timeout`, or what the exchange was
 * aborted with.
 */
export function pass(passage: Passage, send: (events: PassageEvents) => void): Promise<void> {
  const { exchange, request, response, destination, viaName, asking, way } = passage;
  const { record, signal, snapshot } = exchange;
  return new Promise((resolve, reject) => {
    let outgoing: ClientRequest | null = null;
    let answer: IncomingMessage | null = null;
    let isSettled = false;
    let interim = 0;
    let isFree = false;
    const { bytesRead, bytesWritten } = destination;
    // While it goes on as well: a download of hours is no less traffic than a tunnel.
    const count = () => {
      record.bytesUp = destination.bytesWritten - bytesWritten;
      record.bytesDown = destination.bytesRead - bytesRead;
    };
    const settle = (error: unknown) => {
      if (isSettled) return;
      isSettled = true;
      stall.stop();
      signal.removeEventListener('abort', onAbort);
      count();
      if (!isFree) {
        outgoing?.destroy();
        destination.destroy();
      }
      if (error === null) resolve();
      else reject(error);
    };
    const fail = (phrase: string, cause?: unknown) =>
      settle(new ProxyError('response_invalid', { phrase: `Invalid response: ${phrase}`, cause }));
    const onAbort = () => settle(signal.reason);
    const onStall = () => {
      // Once the answer has begun there is nobody left to tell.
      if (response.headersSent) exchange.abort('idle');
      // A client that is not read because the destination does not read is not the slow one.
      else if (request.complete || destination.writableNeedDrain) settle(new ProxyError('response_timeout'));
      else settle(new ProxyError('request_timeout'));
    };
    const onFree = () => {
      isFree = true;
      passage.onFree();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    destination.once('free', onFree);
    const stall = new StallWatch(request.socket, destination, snapshot.config.limits, exchange.deadlines, onStall);
    if (signal.aborted) return onAbort();

    const begin = (incoming: IncomingMessage) => {
      const { rawHeaders, httpVersion, statusCode: status = 0 } = incoming;
      const fault = checkAnswer(incoming);
      if (fault) return fail(fault);
      // It was sent before the request came, to say that the connection is closed (RFC 9110 section 15.5.9).
      if (way === 'kept' && status === 408) return settle(new StaleConnection('timed out while it was kept'));
      // Of a parent's refusals this one is certain: a destination has nothing to ask of a proxy.
      if (asking && status === 407) return settle(refusedByParent(exchange, asking, status, ''));
      // What is left of a body that the destination did not wait for cannot be told from a next request.
      if (!request.complete) response.shouldKeepAlive = false;
      response.sendDate = false;
      try {
        const fields = responseFields(rawHeaders, { via: viaName, httpVersion, status });
        response.writeHead(status, STATUS_CODES[status] ?? 'Unknown', fields);
      } catch (error) {
        return fail('a field that cannot be passed on', error);
      }
      record.status = status;
      response.once('finish', () => settle(null));
      if (incoming.complete) {
        // A short answer is whole by now; its connection is free again when it has ended.
        const body = readAll(incoming);
        incoming.once('end', () => {
          if (!isSettled) response.end(body);
        });
        return;
      }
      incoming.on('data', count);
      incoming.pipe(response);
      if (incoming.readableLength === 0) response.flushHeaders();
    };

    try {
      send({
        onRequest(created) {
          outgoing = created;
          if (!request.complete) request.on('data', count);
          created.on('information', () => {
            if (++interim > maxInterim) fail('too many interim responses');
          });
          // Without a listener node:http would drop the socket and say nothing.
          created.on('upgrade', () => fail('status 101'));
          destination.resume();
        },
        onResponse(incoming) {
          answer = incoming;
          incoming.once('error', (error) => fail('cut off', error));
          // Once the piece is read to its end: what turns out broken in it is still answered with 502.
          process.nextTick(() => {
            if (!isSettled) begin(incoming);
          });
        },
        onError: (error) => {
          // An answer under way notices for itself whether it is whole; what comes behind a whole one is nobody's.
          if (response.headersSent || answer?.complete) return;
          if (way === 'kept' && destination.bytesRead === bytesRead)
            settle(new StaleConnection('closed while it was kept'));
          else fail(wordOf(error), error);
        },
      });
    } catch (error) {
      settle(error);
    }
  });
}

/** What makes an answer one that cannot be passed on, or null. */
function checkAnswer({ statusCode: status = 0, rawHeaders, httpVersion }: IncomingMessage): string | null {
  if (status < 200 || status > 599) return `status ${status}`;
  if (rawHeaders.length >= maxAnswerFields * 2) return 'too many fields';
  return checkAnswerFields(rawHeaders, httpVersion);
}

/** What has come of a body; the platform gives it piece by piece. */
function readAll(incoming: IncomingMessage): Buffer {
  const pieces: Buffer[] = [];
  for (let piece = incoming.read() as Buffer | null; piece; piece = incoming.read() as Buffer | null)
    pieces.push(piece);
  return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
}

function wordOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' ? 'connection closed before the answer' : (code ?? 'unreadable').replace(/^HPE_/, '');
}
