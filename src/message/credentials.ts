/** What a request says of its sender: the Proxy-Authorization field, read for Basic credentials (RFC 9110 section 11.7, RFC 7617). */
import { isUtf8 } from 'node:buffer';
import { fieldValues } from './fields.ts';

/** The field as it came. A scheme other than Basic is told by its name alone; what stands behind it is never kept. */
export type Credentials =
  | { readonly type: 'absent' }
  | { readonly type: 'basic'; readonly user: string; readonly password: string }
  | { readonly type: 'other'; readonly scheme: string }
  | { readonly type: 'malformed'; readonly status: 400 | 431; readonly phrase: string };

/** No client writes more; a longer password would make one verification cost many. */
const maxFieldChars = 4096;
const maxUserBytes = 255;

/** Reads the field strictly: credentials that two readers could take for different ones are malformed. Never throws. */
export function readCredentials(rawHeaders: readonly string[]): Credentials {
  const [field, ...others] = fieldValues(rawHeaders, 'proxy-authorization');
  if (field === undefined) return { type: 'absent' };
  if (others.length > 0) return malformed('Several Proxy-Authorization fields');
  if (field.length > maxFieldChars) return malformed('Credentials too long', 431);
  const [, scheme = '', rest = ''] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]+(.*))?$/.exec(field.trim()) ?? [];
  if (scheme === '') return malformed('Proxy-Authorization without a scheme');
  return scheme.toLowerCase() === 'basic' ? readBasic(rest) : { type: 'other', scheme: scheme.slice(0, 32) };
}

/** Base64 as it is written: padded, and with no bit set that nothing is read from (RFC 4648 sections 3.2 and 3.5). */
const base64 = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/][AQgw]==|[A-Za-z\d+/]{2}[AEIMQUYcgkosw048]=)?$/;

function readBasic(text: string): Credentials {
  if (text === '' || !base64.test(text)) return malformed('Credentials not base64');
  const plain = readUtf8(atob(text));
  if (plain === null) return malformed('Credentials not UTF-8');
  if (/[\0-\x1f\x7f-\x9f]/.test(plain)) return malformed('Control character in credentials');
  const colon = plain.indexOf(':');
  if (colon < 0) return malformed('Credentials without colon');
  const user = plain.slice(0, colon);
  if (Buffer.byteLength(user) > maxUserBytes) return malformed('User name too long', 431);
  return { type: 'basic', user, password: plain.slice(colon + 1) };
}

/** `latin1` has one character for each byte; null where the bytes are no UTF-8. */
function readUtf8(latin1: string): string | null {
  if (/^[\0-\x7f]*$/.test(latin1)) return latin1;
  const bytes = Buffer.from(latin1, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : null;
}

function malformed(phrase: string, status: 400 | 431 = 400): Credentials {
  return { type: 'malformed', status, phrase };
}
