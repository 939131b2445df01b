/** TLS towards the client: the handshake on a connection that was already admitted, and whom its certificate names. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';
import type { ListenerKeys } from '../config/listener-keys.ts';
import { ProxyError } from '../errors.ts';
import { certificateUser } from '../message/certificate-user.ts';
import { describeHandshake } from './tls-failure.ts';

/** What became of a connection; none of these when the client left without a byte. */
export interface HandshakeOutcome {
  /** `user` is whom a verified client certificate names, null without one. */
  readonly onSecure: (socket: TLSSocket, user: string | null) => void;
  /** Not TLS at all: it can still be answered in plain text. */
  readonly onPlain: (error: ProxyError, hint: string) => void;
  /** The handshake failed and the connection ends; the client got whatever alert there was. */
  readonly onFailed: (error: ProxyError, hint: string) => void;
}

export interface TlsListener {
  /** Speaks TLS over an accepted connection. */
  secure(socket: Socket, outcome: HandshakeOutcome): void;
  /** Handshakes that begin from now on show these. @throws Error when they cannot be used */
  replaceKeys(keys: ListenerKeys): void;
}

/** First byte of a TLS record that carries a handshake (RFC 8446 section 5.1). */
const tlsHandshake = 0x16;

/** One listener's TLS; a connection has `headerMs` from its accept to the end of the handshake. */
export function createTlsListener(keys: ListenerKeys, headerMs: number): TlsListener {
  // The platform does not say which connection a handshake belongs to; the context it runs in does.
  const underWay = new AsyncLocalStorage<Handshake>();
  let server = serverFor(keys);

  function serverFor({ cert, key, clientCa }: ListenerKeys): Server {
    const made = createServer({
      cert,
      key,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: headerMs,
      ...(clientCa !== null && {
        ca: clientCa,
        requestCert: true,
        // Whether one came, and whether it holds, is judged below: none at all is no failure.
        rejectUnauthorized: false,
        // A resumed session would bring back a certificate that has expired since.
        secureOptions: constants.SSL_OP_NO_TICKET,
      }),
    });
    made.on('secureConnection', (socket) => underWay.getStore()?.onSecure(socket));
    made.on('tlsClientError', (cause, socket) => {
      underWay.getStore()?.onError(cause);
      socket.destroy();
    });
    return made;
  }

  return {
    secure(socket, outcome) {
      const handshake = createHandshake(socket, headerMs, outcome);
      socket.once('data', (first: Buffer) => {
        socket.pause();
        if (first[0] !== tlsHandshake) return handshake.onPlain();
        socket.unshift(first);
        // Until there is a session, a client that closes its half is gone; the platform would wait for more.
        socket.allowHalfOpen = false;
        underWay.run(handshake, () => server.emit('connection', socket));
      });
    },
    replaceKeys(next) {
      server = serverFor(next);
    },
  };
}

interface Handshake {
  readonly onSecure: (socket: TLSSocket) => void;
  readonly onPlain: () => void;
  readonly onError: (cause: NodeJS.ErrnoException) => void;
}

/** One handshake, with one outcome. */
function createHandshake(socket: Socket, headerMs: number, outcome: HandshakeOutcome): Handshake {
  const settle = (act: () => void) => {
    clearTimeout(timer);
    socket.off('end', onEnd);
    socket.off('close', onClose);
    act();
  };
  const fail = (cause: NodeJS.ErrnoException | null, certificate: string | null = null) =>
    settle(() => {
      const { error, hint } = describeHandshake(cause, certificate);
      if (socket.bytesRead > 0) outcome.onFailed(error, hint);
    });
  const onEnd = () => socket.destroy();
  const onClose = () => fail(null);
  const timer = setTimeout(() => {
    fail(Object.assign(new Error('no handshake in time'), { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' }));
    socket.destroy();
  }, headerMs);
  socket.once('end', onEnd);
  socket.once('close', onClose);

  return {
    onError: fail,
    onPlain: () =>
      settle(() => {
        const error = new ProxyError('malformed_request', { phrase: 'Plain HTTP on the TLS proxy port' });
        outcome.onPlain(
          error,
          'the client speaks plain HTTP to a TLS listener: its proxy URL has to begin with https://',
        );
      }),
    onSecure(secured) {
      const certificate = secured.getPeerX509Certificate();
      if (certificate && !secured.authorized) {
        fail(null, String(secured.authorizationError));
        secured.destroy();
        return;
      }
      const { subjectaltname, subject } = secured.getPeerCertificate();
      secured.allowHalfOpen = true;
      settle(() => outcome.onSecure(secured, certificate ? certificateUser(subjectaltname, subject.CN) : null));
    },
  };
}
