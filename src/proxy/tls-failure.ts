/** Why a TLS handshake with a client failed, in words for the operator: the client got an alert at most. */
import { ProxyError } from '../errors.ts';

export interface HandshakeFailure {
  readonly error: ProxyError;
  readonly hint: string;
}

const hints: Readonly<Record<string, string>> = {
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the client offers no TLS version from 1.2 on',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'the client offers HTTP/2 alone; a proxy is spoken to in http/1.1',
  ERR_SSL_NO_SHARED_CIPHER: 'the client and the certificate have no cipher in common',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the client does not trust the certificate of the listener: give it the authority',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'the certificate of the listener has expired',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'the client refuses the certificate of the listener',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: 'the client refuses the certificate of the listener',
};

/** `certificate` is what speaks against the client's certificate; `cause` null without one means that the client closed. */
export function describeHandshake(cause: NodeJS.ErrnoException | null, certificate: string | null): HandshakeFailure {
  if (certificate !== null) {
    const hint = `client certificate refused: ${certificate}; it must be under the listener's clientCa, valid now and for clients`;
    return { error: new ProxyError('malformed_request', { phrase: 'Client certificate refused' }), hint };
  }
  const code = cause?.code ?? 'ECONNRESET';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    return {
      error: new ProxyError('request_timeout', { ...(cause && { cause }) }),
      hint: 'the TLS handshake was not done within limits.headerMs',
    };
  }
  const error = new ProxyError('malformed_request', { phrase: 'TLS handshake failed', cause });
  if (code === 'ECONNRESET' || code === 'EPIPE') return { error, hint: 'the client closed during the TLS handshake' };
  return { error, hint: hints[code] ?? `TLS handshake failed: ${code.replace(/^ERR_SSL_/, '').toLowerCase()}` };
}
