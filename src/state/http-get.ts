/** A bounded GET for what the proxy itself fetches; nothing of a client ever comes through here. Sole user of undici. */
import { getCACertificates } from 'node:tls';
import { Agent, Pool, ProxyAgent, buildConnector, errors, request } from 'undici';
import type { Dispatcher } from 'undici';
import { answers } from '../errors.ts';
import { followRedirect, placeOf } from './http-redirect.ts';
import type { ParentProxy } from './parent-proxy.ts';
import { isAround } from './parent-proxy.ts';

export interface GetOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** For the whole answer with all its redirects, in milliseconds: a slow drip ends with it. */
  readonly timeoutMs: number;
  /** Of the body; reading stops with the first byte above it. */
  readonly maxBytes: number;
  /** How many redirects may be followed; none unless given. */
  readonly maxRedirects?: number;
  /** The proxy to go through, but for the hosts that go around it; null or not given: direct. */
  readonly parent?: ParentProxy | null;
}

export interface GetResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Where the answer came from, behind all redirects. */
  readonly url: string;
}

/** Gets a URL, past any proxy that the environment names. @throws Error that says in a line what failed */
export async function httpGet(url: string, options: GetOptions): Promise<GetResponse> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  const visited = [url];
  try {
    for (;;) {
      const from = visited.at(-1) ?? url;
      await using way = openWay(from, options);
      const { dispatcher } = way;
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
  }
}

/** The way to one URL: a redirect may lead from a host behind the parent to one around it, or back. */
function openWay(url: string, { timeoutMs, parent = null }: GetOptions) {
  const timeout = timeoutMs;
  const dispatcher =
    parent === null || isAround(parent, new URL(url).hostname)
      ? new Agent({ connect: { timeout } })
      : new ProxyAgent(throughParent(parent, timeout));
  return { dispatcher, [Symbol.asyncDispose]: () => dispatcher.destroy() };
}

function throughParent(parent: ParentProxy, timeout: number): ProxyAgent.Options {
  const { url, authorization, isTls, address } = parent;
  const options: ProxyAgent.Options = {
    uri: url,
    ...(authorization === null ? {} : { token: authorization }),
    requestTls: { timeout },
    proxyTls: { timeout },
  };
  if (!isTls) return options;
  // Trusted by the same authorities as where tunnels go through it.
  const ca = [...getCACertificates('default'), ...getCACertificates('system')];
  const connect: buildConnector.BuildOptions = { timeout, ca, minVersion: 'TLSv1.2' };
  if (address === null) return { ...options, proxyTls: connect };
  // The agent would send the address as a server name, which TLS has no room for (RFC 6066 3): a client of our own does not.
  const secure = buildConnector(connect);
  const clientFactory = (origin: URL) =>
    new Pool(origin, { connect: ({ servername: _address, ...rest }, done) => secure(rest, done) });
  return { ...options, clientFactory, proxyTunnel: true };
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
function describeFailure(error: unknown, { timeoutMs, parent = null }: GetOptions): string {
  if (!(error instanceof Error)) return 'the request failed';
  // What undici says where a parent does not open the tunnel, or does not pass the request on.
  const [status] = /(?<=^Proxy response \()\d{3}|407(?=\)$)/.exec(error.message) ?? [];
  if (parent !== null && status !== undefined) {
    const reason = status === '407' ? 'upstream_proxy_auth' : 'upstream_proxy_refused';
    return `${parent.url} answered ${status} (${reason}): ${answers[reason].remedy}`;
  }
  if (error.name === 'TimeoutError' || error instanceof errors.ConnectTimeoutError) {
    return `no whole answer within ${timeoutMs} ms`;
  }
  if (error instanceof AggregateError) return error.errors.map(String).join('; ');
  if (error instanceof errors.SocketError) return 'the connection was closed before the answer was whole';
  return error.message;
}
