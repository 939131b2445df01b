/**
 * Squid's native access line, for the tools that read it:
 * `time elapsed client result/status bytes method URL user hierarchy/peer type`.
 */
import type { ExchangeRecord } from '../proxy/exchange.ts';
import { percentEncode, withoutQuery, withoutUserinfo } from './escape.ts';

/** Encoded bytes of a URL and of the short columns; together a line stays under 4,096 bytes. */
const maxUrlBytes = 3072;
const maxColumnBytes = 256;

/** One exchange in Squid's format, newline included. Squid's words stand where it has its own for the same thing. */
export function squidLine(record: ExchangeRecord): string {
  const seconds = (record.endTime / 1000).toFixed(3);
  const elapsed = String(Math.round(record.durationMs)).padStart(6);
  const status = String(record.status ?? 0).padStart(3, '0');
  return [
    seconds,
    elapsed,
    column(record.client),
    `${result(record)}/${status}`,
    String(record.bytesDown),
    column(record.method ?? 'NONE'),
    url(record),
    column(record.user ?? '-'),
    peer(record.address),
    '-\n',
  ].join(' ');
}

/** What Squid would call the outcome. */
function result(record: ExchangeRecord): string {
  if (record.reason === 'malformed_request' || record.reason === 'request_timeout') return 'NONE';
  if (record.verdict === 'deny' || record.verdict === 'challenge') return 'TCP_DENIED';
  if (record.method === null) return 'NONE';
  return record.kind === 'tunnel' ? 'TCP_TUNNEL' : 'TCP_MISS';
}

/** The URL without its query, or the word Squid puts where there was none. */
function url(record: ExchangeRecord): string {
  if (record.method === null) return 'error:transaction-end-before-headers';
  if (record.target === null) return 'error:invalid-request';
  const target = withoutUserinfo(record.target);
  if (record.kind === 'tunnel') return column(target, maxUrlBytes);
  const path = withoutQuery(record.path ?? '/');
  return column(`http://${target.replace(/:80$/, '')}${path}`, maxUrlBytes);
}

/** The address dialled, without its port; a parent is dialled by name. */
function peer(address: string | null): string {
  if (address === null) return 'HIER_NONE/-';
  if (address === 'parent') return 'FIRSTUP_PARENT/parent';
  return `HIER_DIRECT/${column(address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'))}`;
}

/** One column: never empty, without a space, cut with a visible mark. */
function column(text: string, maxBytes = maxColumnBytes): string {
  const encoded = percentEncode(text);
  if (encoded === '') return '-';
  if (encoded.length <= maxBytes) return encoded;
  return `${encoded.slice(0, maxBytes - 3).replace(/%.?$/, '')}...`;
}
