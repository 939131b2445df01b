/**
 * Reload as one transaction: read, parse, build, and if anything differs one swap. A fault swaps nothing. One runs at a
 * time; whoever asks meanwhile is served by one more behind it, however many they are.
 */
import type { LoadedConfig } from '../config/load.ts';
import { changedKeys, keysForRestart } from '../config/config-diff.ts';
import { ConfigError } from '../errors.ts';
import type { Fault } from '../errors.ts';
import { diffRules } from '../policy/rule-diff.ts';
import type { Loosening } from '../policy/rule-diff.ts';

/** A configuration as one reading of the disk found it. */
export interface Reading {
  readonly loaded: LoadedConfig;
  /** Every file that was asked for with its text; null: could not be read. */
  readonly texts: ReadonlyMap<string, string | null>;
  /** Of these the configuration file and the lists, which hold no secret. */
  readonly plainFiles: readonly string[];
}

/** What putting a configuration in force did. */
export interface Applied {
  readonly generation: number;
  /** Live tunnels that the new rules refuse, and that were closed. */
  readonly closedTunnels: number;
}

export interface ReloadReport {
  readonly result: 'done' | 'unchanged' | 'failed';
  readonly cause: string;
  /** When it ended, in milliseconds since 1970. */
  readonly atMs: number;
  /** What is in force afterwards. */
  readonly configHash: string;
  readonly generation: number | null;
  readonly rulesAdded: number;
  readonly rulesRemoved: number;
  readonly closedTunnels: number;
  /** Changed keys that take effect at the next start alone. */
  readonly needsRestart: readonly string[];
  /** What failed; without a fault what a reader of the log should look at. */
  readonly findings: readonly Fault[];
}

/** Where reloads are told; the service log is one. */
export interface ReloadLog {
  info(event: string, fields?: Record<string, unknown>, message?: string): void;
  warn(event: string, fields?: Record<string, unknown>, message?: string): void;
  error(event: string, fields?: Record<string, unknown>, message?: string): void;
}

export interface ReloadDeps {
  /** Reads everything anew. @throws ConfigError with every fault */
  readonly read: () => Reading;
  /** Builds and swaps, or throws and leaves all as it was; done when it is in force everywhere. */
  readonly apply: (loaded: LoadedConfig) => Applied | Promise<Applied>;
  /** Told after each swap, to keep what is now in force. */
  readonly onDone: (reading: Reading) => void;
  readonly log: ReloadLog;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Reloader {
  /** Reloads, or joins a reload that has not begun to read yet. Never throws. */
  reload(cause: string): Promise<ReloadReport>;
  /** What is in force. */
  readonly current: Reading;
  /** The last reload; null as long as there was none. */
  readonly last: ReloadReport | null;
}

/** Rules named one by one in a log line; the counts tell of the rest. */
const maxNamed = 20;

/** `started` is what the process began with: what it bound and opened then stays until it ends. */
export function createReloader(started: Reading, deps: ReloadDeps): Reloader {
  const { log } = deps;
  const boundBy = started.loaded.config;
  let current = started;
  let last: ReloadReport | null = null;
  let running: Promise<ReloadReport> | null = null;
  let queued: Promise<ReloadReport> | null = null;

  const report = (result: ReloadReport['result'], cause: string, rest: Partial<ReloadReport> = {}): ReloadReport => ({
    result,
    cause,
    atMs: deps.now(),
    configHash: current.loaded.hash,
    generation: null,
    rulesAdded: 0,
    rulesRemoved: 0,
    closedTunnels: 0,
    needsRestart: keysForRestart(changedKeys(boundBy, current.loaded.config)),
    findings: [],
    ...rest,
  });

  function fail(cause: string, error: unknown): ReloadReport {
    const why = error instanceof Error ? error.message : 'unknown error';
    const place = { file: '(reload)', line: 1, column: 1, severity: 'fault' } as const;
    const findings = error instanceof ConfigError ? error.faults : [{ ...place, message: why }];
    const faults = findings.filter(({ severity }) => severity === 'fault');
    const { hash } = current.loaded;
    const fields = {
      cause,
      faults: faults.length,
      configHash: hash,
      ...(error instanceof ConfigError ? {} : { error }),
    };
    log.error('reload_failed', fields, 'the configuration before stays in force');
    for (const fault of faults) log.error('config_fault', { place: placeOf(fault) }, fault.message);
    return report('failed', cause, { findings: faults });
  }

  async function reloadOnce(cause: string): Promise<ReloadReport> {
    let next: Reading;
    let applied: Applied;
    const before = current.loaded;
    try {
      // Whoever asks in the same turn is served by the same reading.
      await Promise.resolve();
      next = deps.read();
      if (isSame(current, next)) return report('unchanged', cause);
      applied = await deps.apply(next.loaded);
    } catch (error) {
      return fail(cause, error);
    }
    current = next;
    const { added, removed, loosened } = diffRules(before.rules, next.loaded.rules);
    const changed = changedKeys(before.config, next.loaded.config);
    const done = report('done', cause, {
      ...applied,
      rulesAdded: added.length,
      rulesRemoved: removed.length,
      findings: [...loosened.map(toWarning), ...next.loaded.findings],
    });
    log.info('reload_done', {
      cause,
      generation: applied.generation,
      configHash: done.configHash,
      changed,
      rules: next.loaded.rules.length,
      rulesAdded: added.length,
      rulesRemoved: removed.length,
      added: added.slice(0, maxNamed).map(({ text }) => text),
      removed: removed.slice(0, maxNamed).map(({ text }) => text),
      closedTunnels: applied.closedTunnels,
    });
    for (const finding of loosened.map(toWarning)) {
      log.warn('reload_loosened', { place: `${finding.file}:${finding.line}` }, finding.message);
    }
    if (done.needsRestart.length > 0) {
      log.warn('reload_needs_restart', { keys: done.needsRestart }, 'these keys take effect at the next start alone');
    }
    for (const finding of next.loaded.findings) {
      if (finding.severity === 'warning') log.warn('config_warning', { place: placeOf(finding) }, finding.message);
    }
    deps.onDone(next);
    return done;
  }

  function start(cause: string): Promise<ReloadReport> {
    running = reloadOnce(cause).then((done) => {
      last = done;
      running = null;
      return done;
    });
    return running;
  }

  return {
    reload(cause) {
      if (running === null && queued === null) return start(cause);
      queued ??= (running ?? Promise.resolve()).then(() => {
        queued = null;
        return start(cause);
      });
      return queued;
    },
    get current() {
      return current;
    },
    get last() {
      return last;
    },
  };
}

/** A comment alone moves the lines that the log names, and a certificate is in no hash: the texts count as well. */
function isSame(a: Reading, b: Reading): boolean {
  if (a.loaded.hash !== b.loaded.hash || a.texts.size !== b.texts.size) return false;
  return [...b.texts].every(([path, text]) => a.texts.get(path) === text);
}

function placeOf({ file, line, column }: Fault): string {
  return `${file}:${line}:${column}`;
}

/** Its place is where the line stood: the file does not hold it any more. */
function toWarning({ rule, message }: Loosening): Fault {
  const { file, line } = rule;
  return { file, line, column: 1, severity: 'warning', message: `the reload lets more through: ${message}` };
}
