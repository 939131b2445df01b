/** One line of an access log read back: a closed shape, whatever the line held and whichever format wrote it. */
import type { ExchangeRecord, Verdict } from '../proxy/exchange.ts';
import type { AccessEvent } from './access-log.ts';

/** What reports need of a line. Words are kept as they stand, so that a log of another version can be read. */
export interface LogRecord {
  /** The end of the exchange, in milliseconds since 1970. */
  readonly time: number;
  readonly event: AccessEvent;
  readonly kind: ExchangeRecord['kind'];
  readonly client: string;
  readonly user: string | null;
  readonly userAgent: string | null;
  readonly method: string | null;
  /** `host:port`. */
  readonly target: string | null;
  readonly path: string | null;
  readonly verdict: Verdict;
  readonly reason: string | null;
  readonly authFailure: string | null;
  /** The scheme of the credentials that came; null where none came or the line does not say. */
  readonly authScheme: string | null;
  readonly rule: string | null;
  readonly ruleText: string | null;
  readonly status: number | null;
  /** `ip:port` dialled. */
  readonly address: string | null;
  readonly connectMs: number | null;
  readonly durationMs: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly hint: string | null;
  /** Lines of this client that the log left out before this one. */
  readonly suppressed: number;
}

/** `other`: a line of the service log, which may share a stream with the access log; `bad`: no line of ours. */
export type ParsedLine = LogRecord | 'other' | 'bad';

const verdicts: ReadonlySet<unknown> = new Set<Verdict>(['allow', 'deny', 'challenge', 'would_deny', 'error']);

/** Reads the text of one JSON line. Fields of the wrong type count as absent; one without time, client or verdict is bad. */
export function parseJsonLine(text: string): ParsedLine {
  let line: Readonly<Record<string, unknown>>;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return 'bad';
    line = value as Readonly<Record<string, unknown>>;
  } catch {
    return 'bad';
  }
  const event = line['event'];
  if (event !== 'access' && event !== 'tunnel-open') {
    return typeof event === 'string' && typeof line['level'] === 'string' ? 'other' : 'bad';
  }
  const time = Date.parse(textOf(line['time']) ?? '');
  const client = textOf(line['client']);
  const verdict = line['verdict'];
  if (Number.isNaN(time) || client === null || !isVerdict(verdict)) return 'bad';
  const kind = line['kind'];
  return {
    time,
    event,
    kind: kind === 'forward' || kind === 'connection' ? kind : 'tunnel',
    client,
    user: textOf(line['user']),
    userAgent: textOf(line['userAgent']),
    method: textOf(line['method']),
    target: textOf(line['target']),
    path: textOf(line['path']),
    verdict,
    reason: textOf(line['reason']) ?? textOf(line['wouldDeny']),
    authFailure: textOf(line['authFailure']),
    authScheme: textOf(line['authScheme']),
    rule: textOf(line['rule']),
    ruleText: textOf(line['ruleText']),
    status: numberOf(line['status']),
    address: textOf(line['address']),
    connectMs: numberOf(line['connectMs']),
    durationMs: numberOf(line['durationMs']) ?? 0,
    bytesUp: numberOf(line['bytesUp']) ?? 0,
    bytesDown: numberOf(line['bytesDown']) ?? 0,
    hint: textOf(line['hint']),
    suppressed: numberOf(line['suppressed']) ?? 0,
  };
}

function isVerdict(value: unknown): value is Verdict {
  return verdicts.has(value);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
