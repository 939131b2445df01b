/** The HOST of an allowlist rule: a name, `*.name`, `.name`, or one `*` inside the first label. */
import { domainToASCII } from 'node:url';
import type { Address } from '../address/ip.ts';
import { parseHost } from '../message/request-target.ts';
import type { HostPattern } from './rule.ts';
import { serviceLabels } from './shared-suffixes.ts';

/** What was read, or what is wrong with it and how many characters in; `message` holds the right form. */
export type Read<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly at: number; readonly message: string };

/** A reading that failed `at` characters into its text. */
export function misread(at: number, message: string): { readonly ok: false; at: number; message: string } {
  return { ok: false, at, message };
}

/** A HOST in its normal form; `changes` says what was set right on the way. */
export interface HostReading {
  readonly host: HostPattern | { readonly type: 'address'; readonly address: Address };
  readonly text: string;
  readonly changes: readonly string[];
}

/** Reads the HOST of a rule: a star must leave two whole labels untouched, for one alone (`net`) is everybody's. */
export function readHostPattern(text: string): Read<HostReading> {
  const foreign = text.search(/[^\x21-\x7e]/);
  if (foreign >= 0) return misread(foreign, foreignMessage(text, foreign));
  const lower = text.toLowerCase();
  const name = lower.endsWith('.') && lower.length > 1 ? lower.slice(0, -1) : lower;
  const changes = [...(lower === text ? [] : ['lower case']), ...(name === lower ? [] : ['no trailing dot'])];
  const read = (host: HostReading['host']): Read<HostReading> => ({ ok: true, value: { host, text: name, changes } });

  if (name === '') return misread(0, 'no host; write a name such as `www.example.com`');
  if (/^[*.]+$/.test(name)) {
    return misread(0, `\`${text}\` would allow every name; write the names meant, or \`*.example.com\``);
  }
  if (name.endsWith('.')) return misread(name.length, 'a name ends in one dot at most; write it without');
  if (name.startsWith('*.') && !name.slice(2).includes('*')) return readSuffix(name, 2, 'under', read);
  if (name.startsWith('.') && !name.includes('*')) return readSuffix(name, 1, 'at_or_under', read);
  if (name.includes('*')) return readFirstLabel(name, read);
  const parsed = parseHost(name);
  if (!parsed.ok) return misread(0, parsed.message);
  const { host, address } = parsed.value;
  return read(address === null ? { type: 'exact', name: host } : { type: 'address', address });
}

type Finish = (host: HostReading['host']) => Read<HostReading>;

/** `*.name` and `.name`: whole labels in front of a name of two labels or more. */
function readSuffix(text: string, skip: number, type: 'under' | 'at_or_under', finish: Finish): Read<HostReading> {
  const suffix = readWholeLabels(text.slice(skip));
  if (!suffix.ok) return misread(skip + suffix.at, suffix.message);
  return finish({ type, name: suffix.value });
}

/** One `*` inside the first label (`md-*.blob.storage.azure.net`): it stays in that label. */
function readFirstLabel(text: string, finish: Finish): Read<HostReading> {
  const star = text.indexOf('*');
  const dot = text.indexOf('.');
  const second = text.indexOf('*', star + 1);
  if (second >= 0) return misread(second, 'one `*` a name; write one rule for each name or suffix');
  if (dot >= 0 && star > dot) {
    return misread(star, `a \`*\` stands in the first label; write \`*.${text.slice(text.indexOf('.', star) + 1)}\``);
  }
  if (dot < 0) return misread(star, `a \`*\` leaves two labels or more behind it; write \`${text}.example.com\``);
  const label = text.slice(0, dot);
  const before = label.slice(0, star);
  const after = label.slice(star + 1);
  if (serviceLabels.has(after)) {
    const meant = `${before}*.${text.slice(star + 1)}`;
    return misread(star, `a \`*\` glued to \`${after}\` also means \`evil${after}\`; write \`${meant}\``);
  }
  if (!/^[a-z0-9_-]*\*[a-z0-9_-]*$/.test(label) || label.length > 63 || label.startsWith('-') || label.endsWith('-')) {
    return misread(0, `\`${label}\` is no label; letters, digits, hyphens and one \`*\` make one`);
  }
  const rest = readWholeLabels(text.slice(dot + 1));
  if (!rest.ok) return misread(dot + 1 + rest.at, rest.message);
  return finish({ type: 'first_label', before, after, name: rest.value });
}

/** The name a star leaves untouched: at least two labels, and no address. */
function readWholeLabels(text: string): Read<string> {
  const parsed = parseHost(text);
  if (!parsed.ok) return misread(0, parsed.message);
  if (parsed.value.address !== null) return misread(0, `a \`*\` goes before names; write addresses as \`ip:${text}\``);
  if (!parsed.value.host.includes('.')) {
    return misread(0, `\`${text}\` is everybody's suffix; write two labels or more, such as \`*.example.${text}\``);
  }
  return { ok: true, value: parsed.value.host };
}

/** What to say of a character outside printable ASCII: mostly a name that belongs in its `xn--` form. */
function foreignMessage(text: string, at: number): string {
  const code = (text.codePointAt(at) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  const ascii = /\p{L}/u.test(text.slice(at)) ? domainToASCII(text) : '';
  if (ascii === '') return `character U+${code} cannot stand in a name; write names in ASCII`;
  return `international names go in as clients send them; write \`${ascii}\``;
}
