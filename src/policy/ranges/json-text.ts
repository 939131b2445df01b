/** JSON from outside: parsed, or refused with the line and column where it stopped being JSON. */
import type { Result } from '../../errors.ts';
import { quote } from './quote.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Parses a text that has to hold one JSON object. A download that broke off is told from a text that is no JSON. */
export function parseJsonObject(text: string): Result<JsonObject> {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return { ok: true, value };
    return { ok: false, message: `Line 1: expected a JSON object, found ${describe(value)}` };
  } catch (error) {
    return { ok: false, message: placeOf(text, error instanceof Error ? error.message : '') };
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a value is, for a fault that expected another. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** The line and column of a character, both from 1. */
export function lineAndColumn(text: string, at: number): string {
  const before = text.slice(0, at);
  return `line ${before.split('\n').length}, column ${at - before.lastIndexOf('\n')}`;
}

/** The engine says a position, or the end, or shows the text around; each is turned into one form. */
function placeOf(text: string, message: string): string {
  const end = text.trimEnd().length;
  const position = / at position (\d+)/.exec(message);
  const at = position ? Number(position[1]) : findShown(text, message);
  if (at >= end || /^Unterminated|Bad Unicode/.test(message)) {
    return `Cut short: the JSON breaks off at ${lineAndColumn(text, end)}`;
  }
  return `Not JSON at ${lineAndColumn(text, at)}: ${quote(text.slice(at, at + 20))}`;
}

/** Where the text is that a message shows, ten characters before the token it means; the end where it shows none. */
function findShown(text: string, message: string): number {
  const [, token, dots, shown] =
    /^Unexpected token '(.*?)', (\.\.\.)?"([\s\S]*?)"(?:\.\.\.)? is not/u.exec(message) ?? [];
  if (token === undefined || shown === undefined) return text.length;
  return text.indexOf(shown) + (dots === undefined ? shown.indexOf(token) : 10);
}
