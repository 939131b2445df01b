/** A bounded GET for what the proxy itself fetches; nothing of a client ever comes through here. Sole user of undici. */
import { Agent, errors, request } from 'undici';
import type { Dispatcher } from 'undici';
import { followRedirect, placeOf } from './http-redirect.ts';

export interface GetOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** For the whole answer with all its redirects, in milliseconds: a slow drip ends with it. */
  readonly timeoutMs: number;
  /** Of the body; reading stops with the first byte above it. */
  readonly maxBytes: number;
  /** How many redirects may be followed; none unless given. */
  readonly maxRedirects?: number;
}

export interface GetResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Where the answer came from, behind all redirects. */
  readonly url: string;
}

/** Gets a URL directly, past any proxy that the environment names. @throws Error that says in a line what failed */
export async function httpGet(url: string, options: GetOptions): Promise<GetResponse> {
  const dispatcher = createDispatcher(options);
  const signal = AbortSignal.timeout(options.timeoutMs);
  const visited = [url];
  try {
    for (;;) {
      const from = visited.at(-1) ?? url;
      const response = await request(from, { dispatcher, headers: options.headers ?? {}, signal });
      const { statusCode: status, headers } = response;
      if (!isRedirect(status) || options.maxRedirects === undefined) {
        return { status, headers, body: await readBody(response.body, options.maxBytes), url: from };
      }
      response.body.on('error', () => undefined).destroy();
      const next = followRedirect(from, one(headers['location']), visited, options.maxRedirects);
      if (!next.ok) throw new Error(next.message);
      visited.push(next.value);
    }
  } catch (error) {
    throw new Error(`${placeOf(visited.at(-1) ?? url)}: ${describeFailure(error, options)}`, { cause: error });
  } finally {
    await dispatcher.destroy();
  }
}

/** The one way out. A parent proxy for the product's own fetches (`upstream.proxy`) is to be put in here. */
function createDispatcher({ timeoutMs }: GetOptions): Dispatcher {
  return new Agent({ connect: { timeout: timeoutMs } });
}

/** What follows by GET; 300 and 304 are answers of their own. */
function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

async function readBody(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    total += chunk.length;
    if (total > maxBytes) throw new RangeError(`more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks, total));
}

/** The value of a field that stands once; several make it worthless. */
export function one(value: string | string[] | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

/** One line for an operator: what the system says, without the layers in between. */
function describeFailure(error: unknown, { timeoutMs }: GetOptions): string {
  if (!(error instanceof Error)) return 'the request failed';
  if (error.name === 'TimeoutError' || error instanceof errors.ConnectTimeoutError) {
    return `no whole answer within ${timeoutMs} ms`;
  }
  if (error instanceof AggregateError) return error.errors.map(String).join('; ');
  if (error instanceof errors.SocketError) return 'the connection was closed before the answer was whole';
  return error.message;
}
