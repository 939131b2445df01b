/** The clauses behind a TARGET: `within`, `from`, `user` and `tls off`, once each and in this order. */
import { parsePrefix } from '../address/ip.ts';
import type { Prefix } from '../address/ip.ts';
import { createPrefixSet } from '../address/prefix-set.ts';
import type { PrefixSet } from '../address/prefix-set.ts';
import { didYouMean } from './nearest.ts';
import type { Within } from './rule.ts';
import { prefixText } from './target-pattern.ts';
import { nameFault } from './users.ts';

/** A word of a line and the column it begins at, from 1. */
export interface Word {
  readonly text: string;
  readonly column: number;
}

/** What is wrong at a column of the line. */
export interface Slip {
  readonly column: number;
  readonly message: string;
}

/** The clauses of one rule; `text` is their normal form, empty if there are none. */
export interface Clauses {
  readonly within: readonly Within[] | null;
  readonly from: PrefixSet | null;
  readonly users: readonly string[] | null;
  readonly tlsOff: boolean;
  readonly text: string;
  readonly changes: readonly string[];
}

export interface ClauseOptions {
  readonly groups: ReadonlyMap<string, readonly Prefix[]>;
  readonly usersConfigured: boolean;
}

const order = ['within', 'from', 'user', 'tls'] as const;
type Keyword = (typeof order)[number];

interface Segment {
  readonly keyword: Keyword;
  readonly word: Word;
  readonly items: readonly Word[];
}

/** Reads the words behind a TARGET; every slip goes to `slips`, and the value counts only if there is none. */
export function readClauses(words: readonly Word[], options: ClauseOptions, slips: Slip[]): Clauses {
  const segments = splitSegments(words, slips);
  checkOrder(segments, slips);
  let within: Within[] | null = null;
  let from: Prefix[] | null = null;
  let users: string[] | null = null;
  let tlsOff = false;
  const texts: string[] = [];
  for (const { keyword, items } of segments) {
    const shown: string[] = [];
    for (const item of items) {
      if (keyword === 'within') readWithin(item, (within ??= []), shown, slips);
      else if (keyword === 'from') readFrom(item, (from ??= []), shown, slips, options.groups);
      else if (keyword === 'user') readUser(item, (users ??= []), shown, slips);
      else tlsOff = true;
    }
    texts.push(keyword === 'tls' ? 'tls off' : `${keyword} ${[...new Set(shown)].join(',')}`);
  }
  const user = segments.find(({ keyword }) => keyword === 'user');
  if (user !== undefined && !options.usersConfigured) {
    slips.push({ column: user.word.column, message: '`user` needs `auth.usersFile` in the configuration' });
  }
  const upper = segments.some(({ word }) => word.text !== word.text.toLowerCase());
  return {
    within,
    from: from === null ? null : createPrefixSet(from),
    users,
    tlsOff,
    text: texts.join(' '),
    changes: upper ? ['lower case'] : [],
  };
}

/** Cuts the words at the keywords; a list is one word, for blanks would leave open where it ends. */
function splitSegments(words: readonly Word[], slips: Slip[]): readonly Segment[] {
  const segments: Segment[] = [];
  let at = 0;
  for (let word = words[at]; word !== undefined; word = words[at]) {
    at += 1;
    const keyword = order.find((known) => known === word.text.toLowerCase());
    if (keyword === undefined) {
      slips.push({ column: word.column, message: unknownMessage(word.text) });
      // One message for a line that ran on: what follows an unknown word cannot be placed.
      return segments;
    }
    const list = [];
    for (let next = words[at]; next !== undefined; next = words[at]) {
      const goesOn = list.length === 0 || next.text.startsWith(',') || list.at(-1)?.text.endsWith(',') === true;
      if (!goesOn || (list.length === 0 && isKeyword(next.text))) break;
      list.push(next);
      at += 1;
    }
    const items = keyword === 'tls' ? readOff(word, list, slips) : splitList(word, list, slips);
    segments.push({ keyword, word, items });
  }
  return segments;
}

function isKeyword(text: string): boolean {
  return order.some((known) => known === text.toLowerCase());
}

function unknownMessage(text: string): string {
  if (text.toLowerCase() === 'off') return '`off` stands behind `tls`; write `tls off`';
  if (text.includes('.') || text.includes('://')) return `one TARGET a line; give \`${text}\` a line of its own`;
  return `unknown clause \`${text}\`${didYouMean(text, order) || '; write `within`, `from`, `user` or `tls off`'}`;
}

function readOff(word: Word, list: readonly Word[], slips: Slip[]): readonly Word[] {
  if (list.length !== 1 || list[0]?.text.toLowerCase() !== 'off') {
    slips.push({ column: list[0]?.column ?? word.column, message: 'write `tls off`, or leave the clause out' });
  }
  return list;
}

/** The items of a list with their columns. */
function splitList(word: Word, list: readonly Word[], slips: Slip[]): readonly Word[] {
  const [first, second] = list;
  if (first === undefined) {
    slips.push({
      column: word.column,
      message: `\`${word.text}\` needs a list, as in \`${examples[word.text.toLowerCase()]}\``,
    });
    return [];
  }
  if (second !== undefined) {
    const whole = list.map(({ text }) => text).join('');
    slips.push({
      column: second.column,
      message: `a list has no blanks; write \`${word.text.toLowerCase()} ${whole}\``,
    });
  }
  const items: Word[] = [];
  for (const part of list) {
    let column = part.column;
    for (const text of part.text.split(',')) {
      if (text !== '') items.push({ text, column });
      else if (second === undefined) slips.push({ column, message: 'nothing stands beside this comma; leave it out' });
      column += text.length + 1;
    }
  }
  return items;
}

const examples: Readonly<Record<string, string>> = {
  within: 'within tag:Storage,ip:10.1.0.0/16',
  from: 'from 10.1.2.0/24,@group',
  user: 'user backup',
};

/** Once each, in order; the message holds the clauses as they should stand. */
function checkOrder(segments: readonly Segment[], slips: Slip[]): void {
  for (const [at, { keyword, word }] of segments.entries()) {
    const before = segments.slice(0, at).map((segment) => segment.keyword);
    if (before.includes(keyword)) {
      slips.push({ column: word.column, message: `\`${keyword}\` stands twice; put all of it into one list` });
    } else if (before.some((earlier) => order.indexOf(earlier) > order.indexOf(keyword))) {
      const right = order.flatMap((known) => segments.filter((segment) => segment.keyword === known));
      const text = right.map((segment) => `${segment.keyword} ${segment.items.map((item) => item.text).join(',')}`);
      slips.push({ column: word.column, message: `clauses out of order; write \`${text.join(' ')}\`` });
      return;
    }
  }
}

function readWithin(item: Word, within: Within[], shown: string[], slips: Slip[]): void {
  const [, lead = '', rest = ''] = /^(tag|ip):(.*)$/is.exec(item.text) ?? [];
  if (lead.toLowerCase() === 'tag') {
    if (!/^[a-z0-9][a-z0-9._-]*$/i.test(rest)) {
      slips.push({ column: item.column, message: '`within` takes a tag without ports, as in `within tag:Storage`' });
      return;
    }
    within.push({ type: 'tag', tag: rest });
    shown.push(`tag:${rest}`);
    return;
  }
  const text = lead === '' ? item.text : rest;
  const prefix = parsePrefix(/^\[(.*)\]$/.exec(text)?.[1] ?? text);
  if (!prefix.ok || lead === '') {
    const right = prefix.ok ? `write \`ip:${prefixText(prefix.value)}\`` : prefix.message;
    slips.push({ column: item.column, message: `\`within\` takes \`tag:NAME\` and \`ip:PREFIX\`; ${right}` });
    return;
  }
  within.push({ type: 'prefix', prefix: prefix.value });
  shown.push(`ip:${prefixText(prefix.value)}`);
}

function readFrom(item: Word, from: Prefix[], shown: string[], slips: Slip[], groups: ClauseOptions['groups']): void {
  if (item.text.startsWith('@')) {
    const name = item.text.slice(1);
    const group = groups.get(name);
    const hint = didYouMean(name, groups.keys()) || '; `groups` in the configuration has no such name';
    if (group === undefined) slips.push({ column: item.column, message: `unknown group \`@${name}\`${hint}` });
    else from.push(...group);
    shown.push(item.text);
    return;
  }
  const prefix = parsePrefix(item.text);
  if (!prefix.ok) {
    const isGroup = groups.has(item.text);
    const message = isGroup
      ? `write \`@${item.text}\` for the group`
      : `\`from\` takes prefixes and @groups; ${prefix.message}`;
    slips.push({ column: item.column, message });
    return;
  }
  from.push(prefix.value);
  shown.push(prefixText(prefix.value));
}

/** A user name as Basic authentication can carry it (RFC 7617: no colon). */
function readUser(item: Word, users: string[], shown: string[], slips: Slip[]): void {
  const message = nameFault(item.text);
  if (message !== null) slips.push({ column: item.column, message });
  users.push(item.text);
  shown.push(item.text);
}
