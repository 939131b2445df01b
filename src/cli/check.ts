/** `check`: every finding about the configuration and its lists, what they let out, and the rules in normal form. */
import { chmodSync, chownSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { inspectConfig } from '../config/load.ts';
import type { InspectedConfig, LoadOptions } from '../config/load.ts';
import type { List } from '../config/lists.ts';
import { formatFault } from '../errors.ts';
import type { Fault } from '../errors.ts';
import { rulesOpenToAnyTenant } from '../policy/lint.ts';
import { thisMachine } from './load-config.ts';

export interface CheckOptions {
  /** The configuration file; null for the embedded defaults. */
  readonly config: string | null;
  readonly json: boolean;
  /** Whether to rewrite rule files to normal form; shipped lists are never rewritten. */
  readonly fix: boolean;
  readonly out: (text: string) => void;
  /** What the machine brings to the configuration; read from this one unless given. */
  readonly machine?: Pick<LoadOptions, 'listFolder' | 'cloud' | 'networks'>;
}

/** Runs the command; gives 0 if there is no fault, else 1. */
export async function runCheck(options: CheckOptions): Promise<number> {
  const load: LoadOptions = {
    file: options.config,
    readFile: (path) => readFileSync(path, 'utf8'),
    ...(options.machine ?? (await thisMachine())),
  };
  let inspected = inspectConfig(load);
  const rewritten: string[] = [];
  const failed: Fault[] = [];
  if (options.fix) {
    for (const list of inspected.lists.filter(isFixable)) {
      try {
        rewrite(list.path, list.parsed.fixed);
        rewritten.push(list.file);
      } catch (error) {
        const why = error instanceof Error ? error.message : 'unknown error';
        failed.push({ file: list.file, line: 1, column: 1, severity: 'fault', message: `cannot rewrite: ${why}` });
      }
    }
    inspected = inspectConfig(load);
  }
  const findings = [...inspected.findings, ...failed];
  const ok = findings.every(({ severity }) => severity !== 'fault');
  options.out(
    toTerminal(options.json ? asJson(ok, findings, inspected, rewritten) : asText(ok, findings, inspected, rewritten)),
  );
  return ok ? 0 : 1;
}

/** A file without its last newline may be being written this very moment: it is left alone. */
function isFixable(list: List): boolean {
  return !list.shipped && list.text.endsWith('\n') && list.parsed.fixed !== list.text;
}

/** Replaces a file in one step, its mode and owner kept, so that no reader ever sees a part of it. */
function rewrite(path: string, text: string): void {
  const real = realpathSync(path);
  const temporary = `${real}.${process.pid}.tmp`;
  try {
    const { mode, uid, gid } = statSync(real);
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx', flush: true });
    // The mode last and by itself: the umask would narrow it, and a change of owner clears bits.
    chownSync(temporary, uid, gid);
    chmodSync(temporary, mode);
    renameSync(temporary, real);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function asText(
  ok: boolean,
  findings: readonly Fault[],
  inspected: InspectedConfig,
  rewritten: readonly string[],
): string {
  const count = (severity: Fault['severity']) =>
    plural(findings.filter((finding) => finding.severity === severity).length, severity);
  const open = rulesOpenToAnyTenant(inspected.rules).map((rule) => `${rule.text} (${rule.place})`);
  const { rules, lists, hash } = inspected;
  return [
    ...findings.map(formatFault),
    ...rewritten.map((file) => `rewritten to normal form: ${file}`),
    open.length === 0
      ? // Of rules that could not be read nothing can be said.
        ok && 'No rule lets data out to any tenant.'
      : `These let data out to any tenant, not to yours alone: ${open.join(', ')}`,
    `${count('fault')}, ${count('warning')}, ${count('note')}; ${plural(rules.length, 'rule')} in ${plural(lists.length, 'list')}${ok ? `; configuration ${hash}` : ''}`,
    '',
  ]
    .filter((line) => line !== false)
    .join('\n');
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function asJson(
  ok: boolean,
  findings: readonly Fault[],
  inspected: InspectedConfig,
  rewritten: readonly string[],
): string {
  const openToAnyTenant = rulesOpenToAnyTenant(inspected.rules).map(({ file, line, text }) => ({ file, line, text }));
  const { hash, rules } = inspected;
  return `${JSON.stringify({ ok, findings, openToAnyTenant, rewritten, rules: rules.length, configHash: hash })}\n`;
}

/** Findings quote what files hold: nothing in them may reach a terminal as a command, or turn its text around. */
function toTerminal(text: string): string {
  return text.replace(/[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
