/** An allowlist file: one rule a line, read whole, with every finding in its place and the file in normal form. */
import type { Prefix } from '../address/ip.ts';
import type { Fault, Severity } from '../errors.ts';
import { readClauses } from './clauses.ts';
import type { Slip, Word } from './clauses.ts';
import { warnOfRule, warnOfTags } from './lint.ts';
import type { Rule } from './rule.ts';
import { readTarget } from './target-pattern.ts';

/** What a file says: `rules` holds the lines without fault, and counts only if there is no fault at all. */
export interface ParsedAllowlist {
  readonly rules: readonly Rule[];
  /** Faults, warnings and notes, in the order of the lines. */
  readonly faults: readonly Fault[];
  /** The file in normal form, comments and blank lines kept; lines at fault stay as they are. */
  readonly fixed: string;
}

export interface AllowlistOptions {
  /** The file as the user named it, for findings and logs. */
  readonly file: string;
  readonly groups: ReadonlyMap<string, readonly Prefix[]>;
  /** Service tags as they are published; null while there are no ranges. */
  readonly knownTags: ReadonlySet<string> | null;
  /** What is to be said beside a tag that is not among them. */
  readonly unknownTagHint?: string;
  readonly usersConfigured: boolean;
}

type Report = (severity: Severity, line: number, column: number, message: string) => void;

/** Reads an allowlist file. A file that does not end in a newline may be half written, which is a fault. */
export function parseAllowlist(text: string, options: AllowlistOptions): ParsedAllowlist {
  const faults: Fault[] = [];
  const report: Report = (severity, line, column, message) =>
    faults.push({ file: options.file, line, column, severity, message });
  const body = text.startsWith('\uFEFF') ? text.slice(1) : text;
  if (body !== text) report('note', 1, 1, 'byte order mark left out');
  const lines = body.split('\n');
  const last = lines.pop() ?? '';

  const rules: Rule[] = [];
  const seen = new Map<string, number>();
  const fixed: string[] = [];
  let isCrlfTold = false;
  for (const [index, raw] of [...lines, ...(last === '' ? [] : [last])].entries()) {
    const line = index + 1;
    const content = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (content !== raw && !isCrlfTold) {
      isCrlfTold = true;
      report('note', line, content.length + 1, 'lines end in CRLF; read as LF');
    }
    const { words, comment, gap } = splitLine(content);
    const rule = readLine(content, words, line, options, report);
    if (rule === null) {
      fixed.push(words.length === 0 ? comment : content.trimEnd());
      continue;
    }
    const key = ruleKey(rule);
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, line);
      rules.push(rule);
      for (const warning of warnOfRule(rule)) report('warning', line, columnOf(words), warning);
      fixed.push(`${rule.text}${comment === '' ? '' : gap}${comment}`);
      continue;
    }
    report('note', line, columnOf(words), `\`${rule.text}\` stands in line ${first} already; left out`);
    if (comment !== '') fixed.push(comment);
  }
  for (const { rule, message } of warnOfTags(rules, options.knownTags, options.unknownTagHint)) {
    report('warning', rule.line, 1, message);
  }
  if (body.trim() === '') {
    report(
      'fault',
      1,
      1,
      'the file is empty: it may be half written; if nothing is to be allowed, say so in a comment',
    );
  } else if (last !== '') {
    const message = 'no newline at the end: the file may be half written; end its last line with one';
    report('fault', lines.length + 1, last.length + 1, message);
  } else if (rules.length === 0 && faults.every(({ severity }) => severity !== 'fault')) {
    report('warning', 1, 1, 'no rule in this file: it allows nothing');
  }
  faults.sort((a, b) => a.line - b.line || a.column - b.column);
  const end = last === '' && fixed.length > 0 ? '\n' : '';
  return { rules, faults, fixed: fixed.join('\n') + end };
}

interface SplitLine {
  readonly words: readonly Word[];
  /** From the `#` on, without blanks at its end; empty if there is none. */
  readonly comment: string;
  /** The blanks in front of the comment. */
  readonly gap: string;
}

/** Words by blanks and tabs; a `#` at the start of a word begins the comment. */
function splitLine(content: string): SplitLine {
  const hash = content.search(/(?<![^ \t])#/);
  const rule = hash < 0 ? content : content.slice(0, hash);
  const gap = /[ \t]*$/.exec(rule)?.[0] ?? '';
  return {
    words: [...rule.matchAll(/[^ \t]+/g)].map((match) => ({ text: match[0], column: match.index + 1 })),
    comment: hash < 0 ? '' : content.slice(hash).trimEnd(),
    gap: gap.includes('\t') ? ' ' : gap,
  };
}

/** One line as a rule; null if it is blank, a comment, or at fault. */
function readLine(
  content: string,
  words: readonly Word[],
  line: number,
  options: AllowlistOptions,
  report: Report,
): Rule | null {
  const control = content.search(/[\0-\x08\x0b-\x1f\x7f]/);
  if (control >= 0) {
    const code = content.charCodeAt(control).toString(16).toUpperCase().padStart(4, '0');
    report('fault', line, control + 1, `character U+${code} cannot stand in a list; save the file as plain UTF-8 text`);
    return null;
  }
  const [first, ...others] = words;
  if (first === undefined) return null;
  const deny = first.text.toLowerCase() === 'deny';
  const [target, ...rest] = deny ? others : words;
  if (target === undefined) {
    report('fault', line, first.column, '`deny` needs a TARGET; write `deny HOST`');
    return null;
  }
  if (target.text.toLowerCase() === 'allow') {
    report('fault', line, target.column, 'what a rule names is allowed; write the TARGET without `allow`');
    return null;
  }
  const slips: Slip[] = [];
  const reading = readTarget(target.text, deny);
  if (!reading.ok) slips.push({ column: target.column + reading.at, message: reading.message });
  const clauses = readClauses(rest, options, slips);
  for (const slip of slips) report('fault', line, slip.column, slip.message);
  if (!reading.ok || slips.length > 0) return null;

  const { pattern, scope, path, warning } = reading.value;
  const text = [deny ? 'deny' : '', reading.value.text, clauses.text].filter((part) => part !== '').join(' ');
  const tabs = /^[^#]*\t[^#]*[^#\s]/.test(content) ? ['no tabs'] : [];
  const cased = deny && first.text !== 'deny' ? ['lower case'] : [];
  const changes = new Set([...cased, ...reading.value.changes, ...clauses.changes, ...tabs]);
  if (changes.size > 0) report('note', line, target.column, `read as \`${text}\` (${[...changes].join(', ')})`);
  if (warning !== null) report('warning', line, target.column, warning);
  const { within, from, users, tlsOff } = clauses;
  const { file } = options;
  return { deny, pattern, scope, path, within, from, users, tlsOff, file, line, place: `${file}:${line}`, text };
}

/** What makes two lines the same rule: everything they do, however they are spelled. */
function ruleKey(rule: Rule): string {
  const { deny, pattern, scope, path, within, from, users, tlsOff } = rule;
  const named = pattern.type === 'tag' ? { type: 'tag', tag: pattern.tag.toLowerCase() } : pattern;
  return JSON.stringify({ deny, named, scope, path, within, from: from?.prefixes ?? null, users, tlsOff });
}

function columnOf(words: readonly Word[]): number {
  return words[0]?.column ?? 1;
}
