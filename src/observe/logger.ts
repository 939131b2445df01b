/** What this product takes from pino: objects made into lines. */
import { pino } from 'pino';
import { shorten, toAsciiJson } from './escape.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

/** No line is longer, newline included: a write of PIPE_BUF bytes is atomic, and readers may use a fixed buffer. */
export const maxLineBytes = 4096;

/** What each text of a line may take at most, tried in turn while the line is too long. */
const textLimits = [1024, 512, 256, 128, 64];

/**
 * Makes an object one line of printable ASCII JSON, newline included, its keys in their order behind `level`. In a line
 * over `maxLineBytes` the longest texts are cut and say so; an object of some thirty flat fields always fits.
 */
export function createLineFormatter(): (level: Level, fields: object) => string {
  let line = '';
  const write = (text: string): void => {
    line = text;
  };
  const logger = pino(
    { base: null, timestamp: false, level: 'debug', formatters: { level: (label) => ({ level: label }) } },
    { write },
  );
  return (level, fields) =>
    fit(fields, (some) => {
      logger[level](some);
      return line;
    });
}

/** The same line for plain data, `level` among it, at a fraction of the price: there is one for every exchange. */
export function formatPlainLine(fields: object): string {
  return fit(fields, (some) => `${JSON.stringify(some)}\n`);
}

function fit(fields: object, format: (fields: object) => string): string {
  let line = toAsciiJson(format(fields));
  for (const limit of textLimits) {
    if (line.length <= maxLineBytes) break;
    line = toAsciiJson(format(shortenTexts(fields, limit) as object));
  }
  return line;
}

/** A copy in which no text takes more than `maxBytes`. */
function shortenTexts(value: unknown, maxBytes: number): unknown {
  if (typeof value === 'string') return shorten(value, maxBytes);
  if (Array.isArray(value)) return value.map((item) => shortenTexts(item, maxBytes));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shortenTexts(item, maxBytes)]));
}
