/** Lines of an access log, as the proxy writes them. */
import { createAccessFields } from '../../src/observe/access-log.ts';
import { formatPlainLine } from '../../src/observe/logger.ts';
import type { LogRecord } from '../../src/observe/log-record.ts';
import { parseJsonLine } from '../../src/observe/log-record.ts';
import type { ExchangeRecord } from '../../src/proxy/exchange.ts';
import { exchangeRecord } from './exchange-record.ts';

/** What of an exchange may be given; `at` is its end, by ISO 8601. `more` are fields that other versions write. */
export type Line = Partial<ExchangeRecord> & {
  readonly at?: string;
  readonly event?: 'access' | 'tunnel-open';
  readonly suppressed?: number;
};

const accessFields = createAccessFields();

/** The exchange behind a line. */
export function exchangeOf({ at = '2026-01-02T03:04:05Z', event: _event, suppressed: _n, ...changes }: Line) {
  const endTime = Date.parse(at);
  const refused = changes.verdict === 'deny' || changes.verdict === 'challenge';
  const nothing = { rule: null, ruleText: null, address: null, tlsServerName: null, dnsMs: null, connectMs: null };
  return exchangeRecord({ startTime: endTime - 10, endTime, ...(refused ? nothing : {}), ...changes });
}

/** One line with its newline. */
export function jsonLine(line: Line = {}): string {
  const record = exchangeOf(line);
  return formatPlainLine(accessFields(line.event ?? 'access', record, line.suppressed ?? 0));
}

/** The line read back. */
export function logRecord(line: Line = {}): LogRecord {
  const record = parseJsonLine(jsonLine(line).trimEnd());
  if (typeof record === 'string') throw new TypeError(`a ${record} line`);
  return record;
}

/** A refusal by the allowlist. */
export function refusal(target: string, changes: Line = {}): Line {
  return { verdict: 'deny', reason: 'not_on_allowlist', status: 403, target, ...changes };
}
