/** A bounded GET for what the proxy itself fetches; nothing of a client ever comes through here. */
import { Agent, request } from 'undici';

export interface GetOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** For the whole answer, in milliseconds. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

export interface GetResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Gets a URL directly, past any proxy that the environment names. @throws on time-out, size or a failed connection. */
export async function httpGet(url: string, options: GetOptions): Promise<GetResponse> {
  const dispatcher = new Agent({ connect: { timeout: options.timeoutMs }, maxResponseSize: options.maxBytes });
  try {
    const response = await request(url, {
      dispatcher,
      headers: options.headers ?? {},
      signal: AbortSignal.timeout(options.timeoutMs),
    });
    return { status: response.statusCode, headers: response.headers, body: await response.body.text() };
  } finally {
    await dispatcher.destroy();
  }
}
