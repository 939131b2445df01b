/** What reaches a terminal: text that no client can turn into a command, colour where it is wanted, and the width. */
import process from 'node:process';
import type { WriteStream } from 'node:tty';
import { styleText } from 'node:util';
import type { Verdict } from '../../proxy/exchange.ts';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'magenta';

export interface Terminal {
  /** Columns; null where lines may be as long as they are. */
  readonly width: number | null;
  /** Whether somebody looks on, so that a line may be overwritten. */
  readonly isInteractive: boolean;
  /** Colours a text that has been through `plain`. */
  readonly paint: (style: Style, text: string) => string;
}

/** The terminal behind a stream; colour as `NO_COLOR`, `FORCE_COLOR` and the kind of stream have it. */
export function terminalOf(stream: WriteStream = process.stdout): Terminal {
  const isInteractive = stream.isTTY ?? false;
  return {
    width: isInteractive ? stream.columns : null,
    isInteractive,
    paint: (style, text) => styleText(style, text, { stream }),
  };
}

/** Printable ASCII alone; anything else shows as the log writes it. Outside text goes through here before it is printed. */
export function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export const verdictStyles: Readonly<Record<Verdict, Style>> = {
  allow: 'green',
  deny: 'red',
  challenge: 'yellow',
  would_deny: 'magenta',
  error: 'yellow',
};

/** A time to the second, in UTC as the log has it. */
export function timeText(time: number | null): string {
  return time === null ? 'never' : `${new Date(time).toISOString().slice(0, 19)}Z`;
}

/** `1.2 GB`, in powers of ten as disks and network lines are sold. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** `1 rule`, `2 rules`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : noun.endsWith('s') ? 'es' : 's'}`;
}
