/**
 * The head of a CONNECT that came whole in one piece, read by the parser of `node:http` alone: its requests and streams are
 * a tenth of what a tunnel costs. Everything else is left to `node:http`, which then reads the same bytes from the start.
 */
import process from 'node:process';

/** What a tunnel uses of a request. */
export interface ConnectRequest {
  /** Its target, as it came. */
  readonly url?: string | undefined;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly httpVersion: string;
  readonly httpVersionMajor: number;
}

export interface ConnectHead {
  readonly request: ConnectRequest;
  /** What came behind it. */
  readonly rest: Buffer;
}

/** Null where the piece is not, or not only, the whole head of a CONNECT. */
export type ReadConnectHead = (piece: Buffer) => ConnectHead | null;

/** The platform's parser, which is not public. */
interface Parser {
  initialize(type: number, resource: object, maxHeaderBytes: number): void;
  /** How many bytes were parsed, or what is wrong. */
  execute(piece: Buffer): number | Error;
  [callback: number]: (...args: never) => unknown;
}

/** What the parser is told by what it calls at the end of a head: it is followed by no body of its own. */
const isUpgrade = 2;

const connect = Buffer.from('CONNECT ');

/** Null where this platform has the parser no more, or not in this form. */
export function findReadConnectHead(maxHeaderBytes: number): ReadConnectHead | null {
  try {
    const common = process.getBuiltinModule('_http_common') as unknown as Record<string, unknown>;
    const Parser = common['HTTPParser'] as (new () => Parser) & Record<string, number>;
    const { REQUEST, kOnHeaders, kOnHeadersComplete } = Parser;
    if (![REQUEST, kOnHeaders, kOnHeadersComplete].every(Number.isInteger)) return null;
    const parser = new Parser();
    const resource = {};
    let request: ConnectRequest | null = null;
    let hasMore = false;
    // Of many fields some come beforehand: a head without them must not pass for the whole.
    parser[kOnHeaders as number] = () => void (hasMore = true);
    parser[kOnHeadersComplete as number] = (
      major: number,
      minor: number,
      rawHeaders: string[],
      _method: number,
      url: string,
    ) => {
      request = { url, rawHeaders, httpVersion: `${major}.${minor}`, httpVersionMajor: major };
      return isUpgrade;
    };
    const read: ReadConnectHead = (piece) => {
      if (!beginsWith(piece, connect)) return null;
      request = null;
      hasMore = false;
      parser.initialize(REQUEST as number, resource, maxHeaderBytes);
      const length = parser.execute(piece);
      return request && !hasMore && typeof length === 'number' ? { request, rest: piece.subarray(length) } : null;
    };
    return passesTrial(read) ? read : null;
  } catch {
    return null;
  }
}

/** For a few bytes a loop is a fifth of what it costs to compare buffers. */
function beginsWith(piece: Buffer, start: Buffer): boolean {
  for (let at = 0; at < start.length; at++) if (piece[at] !== start[at]) return false;
  return true;
}

function passesTrial(read: ReadConnectHead): boolean {
  const found = read(Buffer.from('CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\nrest'));
  const many = `CONNECT a.example:443 HTTP/1.1\r\n${'A: b\r\n'.repeat(100)}\r\n`;
  if (!found || read(Buffer.from('CONNECT a.example:443 HTTP/1.1\r\nHost: a')) || read(Buffer.from(many))) return false;
  const { request, rest } = found;
  const parts = [request.url, request.httpVersion, request.httpVersionMajor, ...request.rawHeaders, rest.toString()];
  return parts.join('|') === 'a.example:443|1.1|1|Host|a.example|rest';
}
