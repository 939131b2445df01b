/** What the proxy says of itself: JSON lines on standard error, one fixed `event` name for each kind of occurrence. */
import { createLineSink } from './line-sink.ts';
import { createLineFormatter, type Level } from './logger.ts';

type Say = (event: string, fields?: Record<string, unknown>, message?: string) => void;

/** `fields` may hold errors; they come out as `{type, message, code}`, with their stack only if they are bugs. */
export interface ServiceLog {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
  /** Writes what is queued, and gives up at the deadline. */
  close(deadlineMs: number): Promise<void>;
}

export interface ServiceLogOptions {
  /** The least grave level that is written. */
  readonly level: Level;
  readonly fd?: 1 | 2;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

const gravity: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Opens the service log. Like the access log it drops lines rather than wait for a reader. */
export function createServiceLog(options: ServiceLogOptions): ServiceLog {
  const { level: least, fd = 2, now = Date.now } = options;
  const sink = createLineSink({ destination: fd });
  const formatLine = createLineFormatter();

  const at =
    (level: Level): Say =>
    (event, fields = {}, message) => {
      if (gravity[level] < gravity[least]) return;
      const time = new Date(now()).toISOString();
      sink.write(formatLine(level, { time, event, ...describeFields(fields), message }));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    close: (deadlineMs) => sink.close(deadlineMs),
  };
}

/** The fields as they are written, their errors described: plain data. */
export function describeFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const described = Object.entries(fields).map(([key, value]) => [
    key,
    value instanceof Error ? describeError(value) : value,
  ]);
  return Object.fromEntries(described) as Record<string, unknown>;
}

/**
 * An error as fields. What names its code is a fact about the world, and so is our own kind of error; anything else is a
 * bug, whose stack is wanted. Causes follow, to a depth of three.
 */
export function describeError(error: Error, depth = 3): object {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const isBug = code === undefined && error.name !== 'ProxyError' && error.name !== 'ConfigError';
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(isBug ? { stack: error.stack } : {}),
    ...(error.cause instanceof Error && depth > 1 ? { cause: describeError(error.cause, depth - 1) } : {}),
  };
}
