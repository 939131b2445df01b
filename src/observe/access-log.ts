/** The access log: one line an exchange, whatever a client put into it. */
import type { ExchangeRecord } from '../proxy/exchange.ts';
import { withoutQuery, withoutSecrets, withoutUserinfo } from './escape.ts';
import type { LineSink } from './line-sink.ts';
import { createLineSink } from './line-sink.ts';
import { formatPlainLine, type Level } from './logger.ts';
import { createRefusalLimit } from './refusal-limit.ts';
import { squidLine } from './squid-line.ts';

/** `access` once an exchange has ended; `tunnel-open` once a tunnel has lived for a while. */
export type AccessEvent = 'access' | 'tunnel-open';

export interface AccessLog {
  write(event: AccessEvent, record: ExchangeRecord): void;
  /** Writes whole lines that another process has made. */
  relay(lines: string): void;
  /** Lines lost because the reader stalled or the disk was full. */
  readonly dropped: number;
  /** Opens a log file anew after a rotation; standard output stays as it is. */
  reopen(): void;
  /** Writes what is queued, and gives up at the deadline. */
  close(deadlineMs: number): Promise<void>;
}

export interface AccessLogOptions {
  /** `-` for standard output, else a file path. */
  readonly destination: string;
  readonly format: 'json' | 'squid';
  /** Bytes that may wait for a stalled reader or a full disk. */
  readonly maxQueuedBytes?: number;
  readonly onDrop?: (count: number) => void;
  readonly onError?: (error: Error) => void;
  /** Where lines go instead of the destination. */
  readonly sink?: LineSink;
  /** Takes exchanges whose lines are limited, where another process counts them. */
  readonly onLimited?: (record: ExchangeRecord) => void;
}

/** So many lines are made together at most, and so long one may wait for others, in milliseconds. */
const maxTogether = 64;
const togetherMs = 10;

/** Opens the access log; throws if its file cannot be opened. */
export function createAccessLog(options: AccessLogOptions): AccessLog {
  const { destination, format, maxQueuedBytes, onDrop, onError, onLimited } = options;
  const target = destination === '-' ? 1 : destination;
  const sink = options.sink ?? createLineSink({ destination: target, maxQueuedBytes, onDrop, onError });
  const refusals = createRefusalLimit();
  const accessFields = createAccessFields();
  /** Exchanges that ended shortly after another one get their lines together: in a row each costs half. */
  const ended: ExchangeRecord[] = [];
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    for (const record of ended) writeNow('access', record, 0);
    ended.length = 0;
  }

  function gather(): void {
    timer = setTimeout(() => {
      timer = undefined;
      if (ended.length === 0) return;
      flush();
      gather();
    }, togetherMs).unref();
  }

  function writeNow(event: AccessEvent, record: ExchangeRecord, suppressed: number): void {
    if (format === 'json') {
      sink.write(formatPlainLine(accessFields(event, record, suppressed)));
    } else if (event === 'access') {
      // Squid knows no line for an open tunnel; tools that read its log would count the exchange twice.
      sink.write(squidLine(record));
    }
  }

  function write(event: AccessEvent, record: ExchangeRecord): void {
    if (isBareProbe(record)) return;
    // A client outside the networks costs nothing to be refused, so it may not fill the disk either.
    const limited = record.reason === 'client_outside_network';
    if (limited && onLimited) return onLimited(record);
    if (!limited && event === 'access') {
      // A line on its own goes out at once.
      ended.push(record);
      if (timer === undefined || ended.length >= maxTogether) flush();
      if (timer === undefined) gather();
      return;
    }
    const admitted = limited ? refusals.admit(record.client, record.endTime) : { write: true, suppressed: 0 };
    if (!admitted.write) return;
    flush();
    writeNow(event, record, admitted.suppressed);
  }

  return {
    write,
    relay(lines) {
      flush();
      for (const line of lines.match(/[^\n]*\n/g) ?? []) sink.write(line);
    },
    get dropped() {
      return sink.dropped;
    },
    reopen() {
      flush();
      sink.reopen();
    },
    close(deadlineMs) {
      flush();
      return sink.close(deadlineMs);
    },
  };
}

/** Azure's load balancer opens and closes a connection every few seconds to see whether the port answers. */
function isBareProbe(record: ExchangeRecord): boolean {
  return (
    record.kind === 'connection' && record.client === '168.63.129.16' && record.method === null && record.bytesUp === 0
  );
}

/** How loud a line is: what the client asked for and did not get is a warning, our own failure an error. */
export function accessLevel(record: Pick<ExchangeRecord, 'verdict' | 'reason' | 'authFailure'>): Level {
  if (record.reason === 'internal_error') return 'error';
  // The first 407 is how a client learns that it has to sign in.
  if (record.authFailure === 'missing') return 'info';
  if (record.authFailure !== null) return 'warn';
  return record.verdict === 'deny' || record.verdict === 'error' ? 'warn' : 'info';
}

/**
 * Gives the fields of a line in their order. Every key is always there, null where it has no value, so that a
 * column of a table or a field of an index never comes and goes; `suppressed` alone appears only when it counts: the
 * lines of this client left out before this one.
 */
export function createAccessFields(): (event: AccessEvent, record: ExchangeRecord, suppressed: number) => object {
  const startTimeText = rememberTimeText();
  const endTimeText = rememberTimeText();
  return (event, record, suppressed) => ({
    level: accessLevel(record),
    time: endTimeText(record.endTime),
    startTime: startTimeText(record.startTime),
    event,
    id: record.id,
    kind: record.kind,
    client: record.client,
    clientPort: record.clientPort,
    user: record.user,
    userAgent: record.userAgent === null ? null : withoutSecrets(record.userAgent),
    method: record.method,
    target: record.target === null ? null : withoutUserinfo(record.target),
    path: record.path === null ? null : withoutQuery(record.path),
    verdict: record.verdict,
    reason: record.reason,
    wouldDeny: record.wouldDeny,
    authFailure: record.authFailure,
    authScheme: record.authScheme,
    authOffered: record.authOffered,
    rule: record.rule,
    ruleText: record.ruleText,
    status: record.status,
    address: record.address,
    tlsServerName: record.tlsServerName,
    dnsMs: record.dnsMs,
    connectMs: record.connectMs,
    durationMs: record.durationMs,
    bytesUp: record.bytesUp,
    bytesDown: record.bytesDown,
    endedBy: record.endedBy,
    configHash: record.configHash,
    hint: record.hint,
    ...(suppressed > 0 ? { suppressed } : {}),
  });
}

/** Gives milliseconds since 1970 as RFC 3339 text in UTC; of lines in a row many end in one millisecond. */
function rememberTimeText(): (ms: number) => string {
  let known = Number.NaN;
  let text = '';
  return (ms) => {
    if (ms !== known) text = new Date(ms).toISOString();
    known = ms;
    return text;
  };
}
