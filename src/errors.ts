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
  /** For who reads the log: what happened, and what an operator does about it. */
  readonly meaning: string;
  readonly remedy: string;
}

/** Every reason word of the access log, the metrics and `Proxy-Status`, in the order of judgement. */
export const answers = {
  client_outside_network: {
    status: 403,
    phrase: 'Client not in networks',
    proxyStatus: 'http_request_denied',
    meaning: "The client's address is in none of `networks`; nothing else was looked at",
    remedy: 'add its subnet to `networks` if it is one of yours',
  },
  limit_reached: {
    status: 503,
    phrase: 'Limit reached',
    proxyStatus: 'connection_limit_reached',
    meaning: 'A limit of `limits` is used up; the answer names it',
    remedy: 'raise the limit that the answer named, or find out why the client opens so many connections',
  },
  draining: {
    status: 503,
    phrase: 'Proxy is draining',
    proxyStatus: 'connection_limit_reached',
    meaning: 'The proxy is being stopped and takes nothing new',
    remedy: 'nothing: the client tries again',
  },
  request_timeout: {
    status: 408,
    phrase: 'Request Timeout',
    proxyStatus: 'http_request_error',
    meaning: 'No whole request came in time',
    remedy: 'the client connected and sent no whole request: look at what it runs, or raise limits.headerMs',
  },
  malformed_request: {
    status: 400,
    phrase: 'Bad Request',
    proxyStatus: 'http_request_error',
    meaning: 'What came is no request to a proxy, or one that two programs could read differently',
    remedy: 'what the client sent is no request to a proxy: look at its proxy settings (http://, port)',
  },
  method_not_allowed: {
    status: 405,
    phrase: 'Method Not Allowed',
    proxyStatus: 'http_request_denied',
    meaning: 'A method that is not passed on, as TRACE',
    remedy: 'the client has to use another method',
  },
  loop_detected: {
    status: 502,
    phrase: 'Loop detected',
    proxyStatus: 'proxy_loop_detected',
    meaning: 'The request has been here before',
    remedy: 'the request came from this proxy itself: look at where its parent or its own settings send it',
  },
  credentials_missing: {
    status: 407,
    phrase: 'Proxy Authentication Required',
    proxyStatus: 'http_request_denied',
    meaning: 'No credentials came where some are needed: how every sign-in begins',
    remedy: '`lockdown-proxy logs auth` tells a normal challenge from a client that cannot sign in',
  },
  credentials_rejected: {
    status: 407,
    phrase: 'Proxy Authentication Required',
    proxyStatus: 'http_request_denied',
    meaning: 'The user or the password is wrong',
    remedy: '`lockdown-proxy logs auth` names the likely cause',
  },
  credentials_throttled: {
    status: 429,
    phrase: 'Too Many Requests',
    proxyStatus: 'http_request_denied',
    meaning: 'Too many wrong passwords; none is looked at for up to a minute',
    remedy: 'mend the password, then wait a minute; `lockdown-proxy logs auth` names the client',
  },
  denied_by_rule: {
    status: 403,
    phrase: 'Denied by rule',
    proxyStatus: 'http_request_denied',
    meaning: 'A `deny` names the target or its address',
    remedy: 'a deny always wins: take it away or narrow it where the target is meant to be reached',
  },
  not_on_allowlist: {
    status: 403,
    phrase: 'Not on allowlist',
    proxyStatus: 'http_request_denied',
    meaning: 'No rule allows the target',
    remedy: '`lockdown-proxy explain TARGET --from CLIENT` names the rule that would; `logs suggest` names all of them',
  },
  dns_failed: {
    status: 502,
    phrase: 'DNS failed',
    proxyStatus: 'dns_error',
    meaning: 'The rules allow the name, and it has no address',
    remedy: 'the rules allow the name, but it has no address: look it up on the proxy',
  },
  dns_timeout: {
    status: 504,
    phrase: 'DNS timeout',
    proxyStatus: 'dns_timeout',
    meaning: 'No answer from DNS within `limits.dnsMs`',
    remedy: 'the DNS server of the proxy did not answer in time: look it up there',
  },
  azure_platform_address: {
    status: 403,
    phrase: 'Azure metadata unreachable through a proxy; set no_proxy',
    proxyStatus: 'destination_ip_prohibited',
    meaning: "Instance metadata or the platform's own address, which answer each machine for itself",
    remedy: 'set `no_proxy=168.63.129.16,169.254.169.254` on the client; no rule can let it through',
  },
  address_forbidden: {
    status: 403,
    phrase: 'Address not allowed',
    proxyStatus: 'destination_ip_prohibited',
    meaning: 'The name leads to an address that nobody may dial: link-local, multicast, the proxy itself',
    remedy: 'find out who put such an address into DNS; no rule can let it through',
  },
  address_private: {
    status: 403,
    phrase: 'Private address',
    proxyStatus: 'destination_ip_prohibited',
    meaning: 'The name leads to a private address',
    remedy: 'add the address to `privateDestinations`, or end the rule in `within ip:PREFIX`',
  },
  address_outside_ranges: {
    status: 403,
    phrase: 'Address outside ranges',
    proxyStatus: 'destination_ip_prohibited',
    meaning: 'The name leads outside what its rule is `within`',
    remedy: 'look with `lockdown-proxy ranges find IP` at which tag holds it, and at how old the ranges are',
  },
  connect_refused: {
    status: 502,
    phrase: 'Connection refused',
    proxyStatus: 'connection_refused',
    meaning: 'The destination refused the connection',
    remedy: 'the destination refuses connections on this port: look at the service there',
  },
  connect_failed: {
    status: 502,
    phrase: 'Connect failed',
    proxyStatus: 'destination_unavailable',
    meaning: 'No way to the destination',
    remedy: 'no way from the proxy to the destination: look at its routes and its network security group',
  },
  connect_timeout: {
    status: 504,
    phrase: 'Connect timeout',
    proxyStatus: 'connection_timeout',
    meaning: 'No answer from the destination within `limits.connectMs`',
    remedy: 'the destination did not answer: look at the network security group of the proxy, and at the service',
  },
  upstream_proxy_auth: {
    status: 502,
    phrase: 'Parent proxy wants credentials',
    proxyStatus: 'destination_unavailable',
    meaning: 'The parent proxy asked for credentials',
    remedy: 'the parent proxy refuses our credential: mend upstream.credentialsFile',
  },
  upstream_proxy_refused: {
    status: 502,
    phrase: 'Parent proxy refused',
    proxyStatus: 'destination_unavailable',
    meaning: 'The parent proxy refused the target',
    remedy: 'the parent proxy refuses the target: ask who runs it',
  },
  response_invalid: {
    status: 502,
    phrase: 'Invalid response',
    proxyStatus: 'http_protocol_error',
    meaning: "The destination's answer cannot be passed on",
    remedy: 'the destination answered with what is no HTTP',
  },
  response_timeout: {
    status: 504,
    phrase: 'Response timeout',
    proxyStatus: 'connection_read_timeout',
    meaning: 'No answer to a request over plain http',
    remedy: 'the destination took the request and did not answer it',
  },
  tls_name_missing: {
    status: 200,
    phrase: 'TLS server name missing',
    proxyStatus: 'tls_protocol_error',
    meaning: 'TLS in the tunnel names no server',
    remedy: 'the client names no server in its TLS: if it may do that, end the rule in `tls off`',
  },
  tls_name_mismatch: {
    status: 200,
    phrase: 'TLS server name mismatch',
    proxyStatus: 'tls_protocol_error',
    meaning: 'TLS in the tunnel names another server than the one asked for',
    remedy: 'the client asked for one name and spoke to another in the tunnel: find out which program does that',
  },
  not_tls: {
    status: 200,
    phrase: 'Not TLS',
    proxyStatus: 'tls_protocol_error',
    meaning: 'What came through the tunnel is no TLS',
    remedy: 'what went through the tunnel is no TLS: if it may be that, end the rule in `tls off`',
  },
  tls_timeout: {
    status: 200,
    phrase: 'TLS timeout',
    proxyStatus: 'tls_protocol_error',
    meaning: 'Nothing came through the tunnel within `limits.clientHelloMs`',
    remedy: 'the client opened a tunnel and sent nothing into it: look at the client',
  },
  internal_error: {
    status: 500,
    phrase: 'Internal error',
    proxyStatus: 'proxy_internal_error',
    meaning: 'A fault of this proxy',
    remedy: 'a fault of this proxy: its service log has the same id with the stack',
  },
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
    // A refusal is an answer and no accident: nobody reads its stack, which would cost as much as the decision.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(phrase, { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
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
