/** Squid's native access line read back, ours or a real Squid's: what it says of an exchange, and no more. */
import type { Verdict } from '../proxy/exchange.ts';
import type { LogRecord, ParsedLine } from './log-record.ts';

/** `time elapsed client result/status bytes method URL user hierarchy/peer type` */
const line = /^(\d+\.\d{3}) +(\d+) (\S+) ([A-Z_]+)\/(\d{3}) (\d+) (\S+) (\S+) (\S+) ([A-Z_]+)\/(\S+) \S+/;

/** Reads one line. The format has no reason words: those that a status stands for are put in, the others stay null. */
export function parseSquidLine(text: string): ParsedLine {
  // What a pattern captures keeps the text it was cut from alive, and lines are cut from blocks of a megabyte.
  const own = Buffer.from(text).toString();
  const [, seconds, elapsed, client, result = '', code, bytes, method, url = '', user, hierarchy, peer = '-'] =
    line.exec(own) ?? [];
  if (client === undefined) return 'bad';
  const status = Number(code);
  const verdict = verdictOf(result, status, hierarchy === 'HIER_NONE');
  const isRequest = !url.startsWith('error:');
  const isTunnel = method === 'CONNECT';
  const signedIn = user === '-' ? null : decode(user ?? '');
  return {
    time: Math.round(Number(seconds) * 1000),
    event: 'access',
    kind: isRequest ? (isTunnel ? 'tunnel' : 'forward') : 'connection',
    client,
    user: signedIn,
    userAgent: null,
    method: method === 'NONE' ? null : (method ?? null),
    ...(isRequest ? readUrl(url, isTunnel) : { target: null, path: null }),
    ...authOf(verdict, status, signedIn),
    authScheme: null,
    rule: null,
    ruleText: null,
    status: status === 0 ? null : status,
    address: peer === '-' ? null : decode(peer),
    connectMs: null,
    durationMs: Number(elapsed),
    bytesUp: 0,
    bytesDown: Number(bytes),
    hint: null,
    suppressed: 0,
  };
}

function verdictOf(result: string, status: number, isUnreached: boolean): Verdict {
  if (result.includes('DENIED')) return status === 407 ? 'challenge' : 'deny';
  if (result === 'NONE' || result.startsWith('NONE_')) return 'deny';
  // An answer of 502 may be the destination's own; one without a peer is the proxy's.
  return isUnreached && status >= 500 ? 'error' : 'allow';
}

function authOf(
  verdict: Verdict,
  status: number,
  user: string | null,
): Pick<LogRecord, 'verdict' | 'reason' | 'authFailure'> {
  if (status === 407 && verdict === 'challenge' && user === null) {
    return { verdict, reason: 'credentials_missing', authFailure: 'missing' };
  }
  if (status === 407 && verdict === 'challenge') {
    return { verdict: 'deny', reason: 'credentials_rejected', authFailure: 'rejected' };
  }
  if (status === 429 && verdict === 'deny') {
    return { verdict, reason: 'credentials_throttled', authFailure: 'throttled' };
  }
  return { verdict, reason: null, authFailure: null };
}

/** `host:port` of a CONNECT; of a URL its host with the port, and the path without the query. */
function readUrl(url: string, isTunnel: boolean): Pick<LogRecord, 'target' | 'path'> {
  if (isTunnel) return { target: decode(url), path: null };
  const [, authority = '', path = '/'] = /^http:\/\/([^/?#]*)([^?#]*)/i.exec(url) ?? [];
  if (authority === '') return { target: null, path: null };
  return { target: /:\d+$/.test(authority) ? authority : `${authority}:80`, path: path || '/' };
}

function decode(column: string): string {
  try {
    return decodeURIComponent(column);
  } catch {
    return column;
  }
}
