/**
 * Header fields on their way through: which requests are too ambiguous to forward, which fields end here, which are
 * added. Fields are flat lists of names and values as they arrived, `[name, value, name, value, ...]`, because a record
 * would already have merged or lost what must be judged.
 */
import type { Target } from './request-target.ts';
import { parseAuthorityForm, parseHost } from './request-target.ts';

/** Fields that belong to one connection (RFC 9110 section 7.6.1) or that the proxy writes itself, both ways. */
const endingHere: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
]);

/** What a Connection line cannot remove: without these the other side reads another message, or a loop goes unseen. */
const framing: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding', 'via']);

/** What more of a request ends here: Host is written anew, Expect is answered. */
const endingInRequests: readonly string[] = ['host', 'expect'];

function listElements(values: readonly string[]): readonly string[] {
  return values.flatMap((value) => value.split(',')).map((element) => element.trim());
}

const none: readonly string[] = [];

/** Every value of the fields of this name, in order. `name` is in lower case; how the field is written does not matter. */
export function fieldValues(raw: readonly string[], name: string): readonly string[] {
  let values: string[] | null = null;
  for (let at = 0; at < raw.length; at += 2) {
    const found = raw[at] ?? '';
    if (found.length !== name.length || found.toLowerCase() !== name) continue;
    values ??= [];
    values.push(raw[at + 1] ?? '');
  }
  return values ?? none;
}

/**
 * What is malformed in the fields of a CONNECT, or null. Host may be absent, the bare host (as Java sends it) or host
 * and port of the target; a body has no meaning before a tunnel (RFC 9110 section 9.3.6) and would pass as its bytes.
 */
export function checkConnectFields(raw: readonly string[], target: Target): string | null {
  const hosts = fieldValues(raw, 'host');
  const host = hosts[0];
  if (hosts.length > 1) return 'Several Host fields';
  if (host !== undefined && !namesTarget(host, target)) return 'Host field differs from CONNECT target';
  if (fieldValues(raw, 'transfer-encoding').length > 0) return 'Transfer-Encoding in CONNECT';
  const lengths = fieldValues(raw, 'content-length');
  return lengths.length > 1 || lengths.some((length) => !/^0+$/.test(length)) ? 'Content-Length in CONNECT' : null;
}

function namesTarget(hostField: string, target: Target): boolean {
  if (hostField === target.text) return true;
  const withPort = parseAuthorityForm(hostField);
  if (withPort.ok) return withPort.value.text === target.text;
  const bare = parseHost(hostField);
  return bare.ok && bare.value.host === target.host;
}

/**
 * What is malformed in the fields of a request to forward, or null. Stricter than RFC 9112 section 6: where two readers
 * could disagree on where a body ends, a second request can hide in it, so only one unambiguous framing passes.
 */
export function checkForwardFields(raw: readonly string[], httpVersion: string): string | null {
  if (!isSpoken(httpVersion)) return 'HTTP version other than 1.0 and 1.1';
  if (fieldValues(raw, 'host').length > 1) return 'Several Host fields';
  const [coding, ...otherCodings] = fieldValues(raw, 'transfer-encoding');
  const [length, ...otherLengths] = fieldValues(raw, 'content-length');
  if (coding !== undefined) {
    if (httpVersion !== '1.1') return 'Transfer-Encoding on HTTP/1.0';
    if (length !== undefined) return 'Transfer-Encoding and Content-Length';
    if (otherCodings.length > 0 || coding.toLowerCase() !== 'chunked') return 'Transfer-Encoding other than chunked';
  }
  if (otherLengths.length > 0) return 'Several Content-Length fields';
  return length === undefined || isLength(length) ? null : 'Malformed Content-Length';
}

/**
 * What keeps an answer from being passed on, or null. The platform's parser has judged its framing, but lets a coding
 * beside `chunked` through: that would end here unannounced, and the client would take the coded bytes for the content.
 */
export function checkAnswerFields(raw: readonly string[], httpVersion: string): string | null {
  if (!isSpoken(httpVersion)) return `HTTP version ${httpVersion}`;
  const codings = fieldValues(raw, 'transfer-encoding');
  if (codings.length > 0 && (httpVersion !== '1.1' || codings.join().toLowerCase() !== 'chunked'))
    return 'Transfer-Encoding other than chunked';
  return fieldValues(raw, 'content-length').every(isLength) ? null : 'Content-Length';
}

/** The versions that an HTTP/1 parser may hand over and that mean the same to every reader. */
function isSpoken(httpVersion: string): boolean {
  return httpVersion === '1.1' || httpVersion === '1.0';
}

/** No leading zero: some readers would take the number for an octal one. */
function isLength(value: string): boolean {
  return /^(?:0|[1-9]\d*)$/.test(value) && Number.isSafeInteger(Number(value));
}

/** Whether a request has a body, be it an empty one, by its fields (RFC 9112 section 6.3). */
export function hasBody(raw: readonly string[]): boolean {
  return fieldValues(raw, 'content-length').length > 0 || fieldValues(raw, 'transfer-encoding').length > 0;
}

/** What a request expects before it sends its body (RFC 9110 section 10.1.1); HTTP/1.0 has no expectations. */
export function readExpectation(raw: readonly string[], httpVersion: string): 'none' | 'continue' | 'unknown' {
  const expected = httpVersion === '1.0' ? [] : listElements(fieldValues(raw, 'expect'));
  if (expected.length === 0) return 'none';
  return expected.every((element) => element.toLowerCase() === '100-continue') ? 'continue' : 'unknown';
}

/** What Connection lines name: fields that end here; null where that is nothing more than ends here in any case. */
function namedFields(raw: readonly string[]): ReadonlySet<string> | null {
  const lines = [...fieldValues(raw, 'connection'), ...fieldValues(raw, 'proxy-connection')];
  if (lines.every((line) => line === 'keep-alive')) return null;
  return new Set(listElements(lines).map((option) => option.toLowerCase()));
}

/** The fields that go on: neither hop-by-hop, nor named by any Connection line, nor spoken between proxies, nor `others`. */
function endToEnd(raw: readonly string[], others: readonly string[]): string[] {
  const named = namedFields(raw);
  const kept: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const key = name.toLowerCase();
    if (endingHere.has(key) || key.startsWith('proxy-') || others.includes(key)) continue;
    if (!named?.has(key) || framing.has(key)) kept.push(name, raw[at + 1] ?? '');
  }
  return kept;
}

/** The value of Via with our element behind those that came (RFC 9110 section 7.6.3). */
export function viaValue(raw: readonly string[], own: { readonly via: string; readonly httpVersion: string }): string {
  const element = `${own.httpVersion} ${own.via}`;
  const earlier = fieldValues(raw, 'via').filter((value) => value !== '');
  return earlier.length === 0 ? element : [...earlier, element].join(', ');
}

/**
 * The fields of the request to the destination, as a flat list. `host` becomes Host, `via` is our name, `httpVersion`
 * that of the request as it came. Expect ends here because the proxy answers it; `Transfer-Encoding: chunked` is said
 * again where the request had it, or the platform would send the body of a GET or DELETE unframed. `authorization` is
 * our own credential, for a parent proxy alone.
 */
export function requestFields(
  raw: readonly string[],
  options: {
    readonly host: string;
    readonly via: string;
    readonly httpVersion: string;
    readonly authorization?: string | null;
  },
): string[] {
  const isChunked = fieldValues(raw, 'transfer-encoding').length > 0;
  // A length beside a transfer coding is at best wrong (RFC 9112 section 6.3).
  const kept = endToEnd(raw, isChunked ? [...endingInRequests, 'content-length'] : endingInRequests);
  const fields = ['Host', options.host, ...kept, 'Via', viaValue(raw, options)];
  if (options.authorization) fields.push('Proxy-Authorization', options.authorization);
  if (isChunked) fields.push('Transfer-Encoding', 'chunked');
  return fields;
}

/**
 * The fields of the answer to the client, as a flat list. The platform frames the body anew. `Proxy-*` fields of a
 * destination end here: it cannot ask for credentials, or report a refusal, in this proxy's name. A 204 has no length
 * (RFC 9110 section 8.6): a client that believed one would take the next answer for a body.
 */
export function responseFields(
  raw: readonly string[],
  options: { readonly via: string; readonly httpVersion: string; readonly status?: number },
): string[] {
  const isUnmeasured = options.status === 204 || fieldValues(raw, 'transfer-encoding').length > 0;
  const fields = endToEnd(raw, isUnmeasured ? ['content-length'] : none);
  fields.push('Via', viaValue(raw, options));
  return fields;
}

/** Whether a Via element was written under one of these names, case-blind: the message has been here before. */
export function viaHasName(raw: readonly string[], names: readonly string[]): boolean {
  const values = fieldValues(raw, 'via');
  if (values.length === 0) return false;
  const own = new Set(names.map((name) => name.toLowerCase()));
  // A comment may hold commas and must not look like an element.
  return listElements(values.map((value) => value.replace(/\([^()]*\)/g, ''))).some((element) =>
    own.has(element.split(/[ \t]+/)[1]?.toLowerCase() ?? ''),
  );
}
