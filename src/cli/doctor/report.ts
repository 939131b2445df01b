/** The doctor's report: aligned lines under headings for a terminal, stable words for `--json`. */
import { toAsciiJson } from '../../observe/escape.ts';
import type { Style, Terminal } from '../logs/terminal.ts';
import { plain, plural } from '../logs/terminal.ts';
import { version } from '../version.ts';
import type { Finding, Group } from './finding.ts';
import { groups } from './finding.ts';

const headings: Readonly<Record<Group, string>> = {
  configuration: 'Configuration',
  proxy: 'Running proxy',
  machine: 'This machine',
  network: 'Way out',
  azure: 'Azure',
};
const styles: Readonly<Record<Finding['state'], Style>> = { ok: 'green', warn: 'yellow', fail: 'red', unseen: 'dim' };
const checkWidth = 'security-groups'.length;
/** Where details begin, and the fixes under them. */
const indent = 2 + 'warn'.length + 2 + checkWidth + 2;

/** Whether nothing failed. */
export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ state }) => state !== 'fail');
}

/** One line of JSON: `{ok, version, seconds, findings: [..], unseen: [..]}`. */
export function reportAsJson(findings: readonly Finding[], seconds: number): string {
  const seen = findings.filter(({ state }) => state !== 'unseen');
  const unseen = findings
    .filter(({ state }) => state === 'unseen')
    .map(({ group, check, detail, fix }) => ({ group, check, why: detail, test: fix }));
  return toAsciiJson(`${JSON.stringify({ ok: isHealthy(findings), version, seconds, findings: seen, unseen })}\n`);
}

/** The report as an operator reads it, no line wider than the terminal but for what is there to be copied. */
export function reportAsText(findings: readonly Finding[], seconds: number, terminal: Terminal): string {
  const lines: string[] = [];
  for (const group of groups) {
    const own = findings.filter((finding) => finding.group === group && finding.state !== 'unseen');
    if (own.length > 0) lines.push(terminal.paint('bold', headings[group]), ...own.flatMap(toLines(terminal)), '');
  }
  const unseen = findings.filter(({ state }) => state === 'unseen');
  if (unseen.length > 0) {
    lines.push(terminal.paint('bold', 'Cannot be seen from here'), ...unseen.flatMap(toLines(terminal)), '');
  }
  const count = (state: Finding['state']) => findings.filter((finding) => finding.state === state).length;
  const verdict = isHealthy(findings) ? terminal.paint('green', 'Nothing failed') : terminal.paint('red', 'Not well');
  const numbers = `${count('fail')} failed, ${plural(count('warn'), 'warning')}, ${count('ok')} ok, ${unseen.length} not seen`;
  lines.push(`${verdict}: ${numbers}; lockdown-proxy ${version}, ${seconds.toFixed(1)} s`);
  return `${lines.join('\n')}\n`;
}

function toLines(terminal: Terminal): (finding: Finding) => readonly string[] {
  return ({ state, check, detail, fix }) => {
    const word = state === 'unseen' ? '-' : state;
    const label = state === 'unseen' ? 'test' : 'fix';
    const [first = '', ...rest] = wrap(plain(detail), terminal.width);
    const margin = ' '.repeat(indent);
    const marked = fix === null ? [] : wrap(`${label}: ${plain(fix)}`, terminal.width);
    return [
      `  ${terminal.paint(styles[state], word.padEnd(4))}  ${check.padEnd(checkWidth)}  ${first}`,
      ...rest.map((line) => margin + line),
      ...marked.map((line) => margin + line),
    ];
  };
}

/** Breaks between words; a word that is too long stays whole, for it may be a command. */
function wrap(text: string, width: number | null): readonly string[] {
  const room = width === null ? Infinity : Math.max(40, width - indent);
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > room) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
