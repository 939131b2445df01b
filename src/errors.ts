/**
 * What can go wrong, said once: every reason word with its status, phrase and RFC 9209 error type,
 * the error that carries a reason through the request path, and the fault list of a bad configuration.
 */

/** How one reason word is answered. `phrase` is the beginning of the reason phrase; a detail may follow it. */
export interface Answer {
  readonly status: number;
  readonly phrase: string;
  /** Proxy error type of RFC 9209 section 2.3. */
  readonly proxyStatus: string;
}

/** Every reason word of the access log, the metrics and `Proxy-Status`, in the order of judgement. */
export const answers = {
  client_outside_network: { status: 403, phrase: 'Client not in networks', proxyStatus: 'http_request_denied' },
  limit_reached: { status: 503, phrase: 'Limit reached', proxyStatus: 'connection_limit_reached' },
  draining: { status: 503, phrase: 'Proxy is draining', proxyStatus: 'connection_limit_reached' },
  request_timeout: { status: 408, phrase: 'Request Timeout', proxyStatus: 'http_request_error' },
  malformed_request: { status: 400, phrase: 'Bad Request', proxyStatus: 'http_request_error' },
  method_not_allowed: { status: 405, phrase: 'Method Not Allowed', proxyStatus: 'http_request_denied' },
  loop_detected: { status: 502, phrase: 'Loop detected', proxyStatus: 'proxy_loop_detected' },
  credentials_missing: { status: 407, phrase: 'Proxy Authentication Required', proxyStatus: 'http_request_denied' },
  credentials_rejected: { status: 407, phrase: 'Proxy Authentication Required', proxyStatus: 'http_request_denied' },
  credentials_throttled: { status: 429, phrase: 'Too Many Requests', proxyStatus: 'http_request_denied' },
  denied_by_rule: { status: 403, phrase: 'Denied by rule', proxyStatus: 'http_request_denied' },
  not_on_allowlist: { status: 403, phrase: 'Not on allowlist', proxyStatus: 'http_request_denied' },
  dns_failed: { status: 502, phrase: 'DNS failed', proxyStatus: 'dns_error' },
  dns_timeout: { status: 504, phrase: 'DNS timeout', proxyStatus: 'dns_timeout' },
  azure_platform_address: {
    status: 403,
    phrase: 'Azure metadata unreachable through a proxy; set no_proxy',
    proxyStatus: 'destination_ip_prohibited',
  },
  address_forbidden: { status: 403, phrase: 'Address not allowed', proxyStatus: 'destination_ip_prohibited' },
  address_private: { status: 403, phrase: 'Private address', proxyStatus: 'destination_ip_prohibited' },
  address_outside_ranges: { status: 403, phrase: 'Address outside ranges', proxyStatus: 'destination_ip_prohibited' },
  connect_refused: { status: 502, phrase: 'Connection refused', proxyStatus: 'connection_refused' },
  connect_failed: { status: 502, phrase: 'Connect failed', proxyStatus: 'destination_unavailable' },
  connect_timeout: { status: 504, phrase: 'Connect timeout', proxyStatus: 'connection_timeout' },
  upstream_proxy_auth: {
    status: 502,
    phrase: 'Parent proxy wants credentials',
    proxyStatus: 'destination_unavailable',
  },
  upstream_proxy_refused: { status: 502, phrase: 'Parent proxy refused', proxyStatus: 'destination_unavailable' },
  response_invalid: { status: 502, phrase: 'Invalid response', proxyStatus: 'http_protocol_error' },
  response_timeout: { status: 504, phrase: 'Response timeout', proxyStatus: 'connection_read_timeout' },
  tls_name_missing: { status: 200, phrase: 'TLS server name missing', proxyStatus: 'tls_protocol_error' },
  tls_name_mismatch: { status: 200, phrase: 'TLS server name mismatch', proxyStatus: 'tls_protocol_error' },
  not_tls: { status: 200, phrase: 'Not TLS', proxyStatus: 'tls_protocol_error' },
  tls_timeout: { status: 200, phrase: 'TLS timeout', proxyStatus: 'tls_protocol_error' },
  internal_error: { status: 500, phrase: 'Internal error', proxyStatus: 'proxy_internal_error' },
} as const satisfies Record<string, Answer>;

/** One word of the closed set that logs, metrics and `Proxy-Status` share. */
export type Reason = keyof typeof answers;

/** A failure or refusal on the request path: which reason, what to tell the client, and what caused it. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly reason: Reason;
  /** The whole reason phrase, ASCII, without anything from below the HTTP layer. */
  readonly phrase: string;
  /** Where the answer's status is not the table's (411, 414 and 431 are all `malformed_request`). */
  readonly status: number;
  /** Header fields of the answer that only this error knows, as a challenge. */
  readonly fields: readonly (readonly [name: string, value: string])[];

  constructor(
    reason: Reason,
    options: { phrase?: string; status?: number; fields?: ProxyError['fields']; cause?: unknown } = {},
  ) {
    const phrase = options.phrase ?? answers[reason].phrase;
    super(phrase, { cause: options.cause });
    this.reason = reason;
    this.phrase = phrase;
    this.status = options.status ?? answers[reason].status;
    this.fields = options.fields ?? [];
  }
}

/** How grave a finding in a configuration or allowlist is: a `fault` stops a start, the others are told. */
export type Severity = 'fault' | 'warning' | 'note';

/** One finding with its place; `line` and `column` count from 1. */
export interface Fault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly severity: Severity;
  readonly message: string;
}

/** `file:line:column: message`, the form that editors and compilers share; warnings and notes say so first. */
export function formatFault(fault: Fault): string {
  const prefix = fault.severity === 'fault' ? '' : `${fault.severity}: `;
  return `${fault.file}:${fault.line}:${fault.column}: ${prefix}${fault.message}`;
}

/** A configuration that cannot be used, with every fault found in it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super(faults.map(formatFault).join('\n'));
    this.faults = faults;
  }
}

/** What a parser of outside text gives back: the value, or what is wrong in words for the sender. */
export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };
