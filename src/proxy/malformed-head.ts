/** Why a request head could not be read, in words for the client and for the operator. */
import { ProxyError } from '../errors.ts';

/** Beyond its parser's code node:http gives the bytes it read last and how far it came in them. */
type HeadError = NodeJS.ErrnoException & {
  readonly rawPacket?: Buffer;
  readonly bytesParsed?: number;
  readonly reason?: string;
};

export interface MalformedHead {
  readonly error: ProxyError;
  readonly hint: string | null;
}

/** The code of node:http for a head that did not come in time. */
export const lateHead = 'ERR_HTTP_REQUEST_TIMEOUT';

/** First byte of a TLS record that carries a handshake (RFC 8446 section 5.1). */
const tlsHandshake = 0x16;

/** Null when the client is simply gone and there is nothing to say. */
export function malformedHead(cause: HeadError, bytesRead: number): MalformedHead | null {
  const { code = '', rawPacket, bytesParsed } = cause;
  // Where a request began is known only while all that came is one piece.
  const isFirst = rawPacket !== undefined && rawPacket.length === bytesRead;
  const malformed = (phrase: string, status = 400, hint: string | null = null): MalformedHead => ({
    error: new ProxyError('malformed_request', { phrase, status, cause }),
    hint,
  });
  if (code === lateHead) {
    return bytesRead === 0
      ? null
      : {
          error: new ProxyError('request_timeout', { cause }),
          hint: 'the request head did not come within limits.headerMs',
        };
  }
  if (isFirst && rawPacket[0] === tlsHandshake) {
    return malformed(
      'TLS on the plain proxy port',
      400,
      'the client speaks TLS to the proxy: its proxy URL has to begin with http://',
    );
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const isLine = isFirst && !rawPacket.subarray(0, bytesParsed).includes(0x0a);
    return isLine ? malformed('Request target too long', 414) : malformed('Request head too large', 431);
  }
  if (code.startsWith('HPE_')) {
    if (code === 'HPE_INVALID_EOF_STATE') return bytesRead === 0 ? null : malformed('Request cut off');
    return malformed(`Malformed request: ${cause.reason ?? code}`);
  }
  return null;
}
