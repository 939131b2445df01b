/** From a configuration file and its lists to one effective configuration, with every finding in its place. */
import { createHash } from 'node:crypto';
import { ConfigError } from '../errors.ts';
import type { Fault, Severity } from '../errors.ts';
import { warnOfRules } from '../policy/lint.ts';
import type { Rule } from '../policy/rule.ts';
import type { Users } from '../policy/users.ts';
import { readConfig } from './config.ts';
import type { Cloud, Config, WrittenConfig } from './config.ts';
import { readParentCredential } from './credentials-file.ts';
import { readDocument } from './document.ts';
import type { SourceDocument } from './document.ts';
import { readLists, readText, resolvePath } from './lists.ts';
import type { KnownTags, List } from './lists.ts';
import { readListenerKeys } from './listener-keys.ts';
import type { ListenerKeys } from './listener-keys.ts';
import { parseRangesSource } from './ranges-source.ts';
import { readUsersFile, warnOfUnknownUsers } from './users-file.ts';
import { expandNetworks } from './values.ts';
import type { OwnNetworks } from './values.ts';
import { remarksOn } from './warnings.ts';

export interface LoadOptions {
  /** The configuration file as the user named it; null for the embedded defaults. */
  readonly file: string | null;
  /** Reads a whole file as UTF-8, or throws what the system says. */
  readonly readFile: (path: string) => string;
  /** The permission bits of a file; null, and unless given: not known. */
  readonly fileMode?: (path: string) => number | null;
  /** The folder of the shipped lists. */
  readonly listFolder: string;
  /** What `cloud: auto` means here. */
  readonly cloud: Cloud;
  /** What `networks: [auto]` means here. */
  readonly networks: OwnNetworks;
  /** The service tags of the ranges that this configuration would begin with; null, and unless given: there are none. */
  readonly knownTags?: (config: Config) => KnownTags | null;
  /** The time in milliseconds since 1970, for what expires; unless given nothing does. */
  readonly now?: () => number;
}

/** A configuration without fault. */
export interface LoadedConfig {
  readonly config: Config;
  readonly rules: readonly Rule[];
  /** Who may sign in; null: nobody, and credentials are not read. */
  readonly users: Users | null;
  /** What each entry of `listen` needs to speak TLS; null where it does not. */
  readonly listenerKeys: readonly (ListenerKeys | null)[];
  /** `user:password` for the parent proxy. A secret: it is in no text that leaves this process but that parent's. */
  readonly parentCredential: string | null;
  /** Warnings and notes, by file and line. */
  readonly findings: readonly Fault[];
  /** Twelve hexadecimal digits over the effective configuration and the rules: equal where proxies do the same. */
  readonly hash: string;
  /** The files that were read, as given to `readFile`. */
  readonly sources: readonly string[];
}

/** A configuration as found, faults and all. */
export interface InspectedConfig extends LoadedConfig {
  readonly lists: readonly List[];
}

/** What findings about a configuration without file are attached to. */
const defaultsName = '(defaults)';

/** Loads a configuration. Throws a `ConfigError` with all findings if one of them is a fault. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { lists: _, ...loaded } = inspectConfig(options);
  if (loaded.findings.some(({ severity }) => severity === 'fault')) throw new ConfigError(loaded.findings);
  return loaded;
}

/** Reads as much of a configuration as can be read, so that one look finds every fault in all of its files. */
export function inspectConfig(options: LoadOptions): InspectedConfig {
  const { file, readFile } = options;
  const name = file ?? defaultsName;
  const findings: Fault[] = [];
  const report = (severity: Severity, place: { line: number; column: number }, message: string) =>
    findings.push({ file: name, line: place.line, column: place.column, severity, message });

  const text = file === null ? { ok: true as const, value: '' } : readText(file, readFile);
  if (!text.ok) report('fault', { line: 1, column: 1 }, `cannot read the configuration: ${text.message}`);
  const document = readDocument(text.ok ? text.value : '');
  for (const fault of document.faults) report('fault', fault, fault.message);
  for (const fault of document.warnings) report('warning', fault, fault.message);
  if (text.ok && text.value !== '' && !text.value.endsWith('\n')) {
    report('warning', endOf(text.value), 'no newline at the end: the file may be half written');
  }

  const { config: written, misfits } = readConfig(document.value);
  for (const { path, key, message } of misfits) report('fault', document.placeOf(path, key), message);
  const source = parseRangesSource(written.ranges.source);
  if (!source.ok) report('fault', document.placeOf(['ranges', 'source']), `\`ranges.source\`: ${source.message}`);
  const config = toEffective(written, options);
  const isReadable = text.ok && document.faults.length === 0;
  // What does not fit was replaced by its default: remarks on that would not be about what was written.
  const wrong = new Set(misfits.map(({ path, key }) => path[0] ?? key));
  for (const { severity, path, message } of isReadable ? remarksOn(written, config, options.networks) : []) {
    if (!wrong.has(path[0] ?? null)) report(severity, document.placeOf(path), message);
  }

  // Without groups that can be trusted, or the list of lists itself, findings in the lists would mislead.
  const isListed = isReadable && !wrong.has('groups') && !wrong.has('allowlist');
  const knownTags = () => options.knownTags?.(config) ?? null;
  const hasCertificateUsers = config.listen.some(({ tls }) => tls !== null && tls.clientCa !== null);
  const usersConfigured = config.auth.usersFile !== null || hasCertificateUsers;
  const listOptions = { ...options, usersConfigured, cloud: config.cloud, groups: config.groups, knownTags };
  const lists = readLists(isListed ? config.allowlist : [], listOptions, (severity, entry, message) =>
    report(severity, document.placeOf(['allowlist', entry]), message),
  );
  const rules = lists.flatMap(({ parsed }) => parsed.rules);
  const isAuthReadable = isReadable && !wrong.has('auth');
  const reportKey = (severity: Severity, path: readonly (string | number)[], message: string) =>
    report(severity, keyPlace(document, path), message);
  const usersFile = isAuthReadable ? readUsersFile(config.auth, { ...options, hasCertificateUsers }, reportKey) : null;
  const listenerKeys = readListenerKeys(config.listen, options, reportKey);
  const parentCredential = readParentCredential(config.upstream, options, reportKey);
  const told = warnOfRules(rules, config.privateDestinations).map(({ rule, message }) => ({
    file: rule.file,
    line: rule.line,
    column: 1,
    severity: 'warning' as const,
    message,
  }));
  const ofUsers = usersFile?.parsed.findings ?? [];
  // A user that the file does not know may come with a certificate.
  const unknownUsers = usersFile && !hasCertificateUsers ? warnOfUnknownUsers(rules, usersFile) : [];
  const order = [name, ...lists.map((list) => list.file), usersFile?.path];
  const all = [...findings, ...lists.flatMap(({ parsed }) => parsed.faults), ...told, ...ofUsers, ...unknownUsers];
  all.sort((a, b) => order.indexOf(a.file) - order.indexOf(b.file) || a.line - b.line || a.column - b.column);
  return {
    config,
    rules,
    users: usersFile?.parsed.users ?? null,
    listenerKeys,
    parentCredential,
    findings: all,
    hash: hashOf(config, rules, usersFile?.parsed.users ?? null),
    sources: [file, ...lists.map(({ path }) => path), usersFile?.path, ...keyFiles(config)].filter(
      (path) => typeof path === 'string',
    ),
    lists,
  };
}

/** Fills in what only this machine knows. */
function toEffective(written: WrittenConfig, options: LoadOptions): Config {
  const { auth, log, ranges, upstream } = written;
  const pathOf = <T extends string | null>(path: T) => (path === null ? path : resolvePath(options.file, path)) as T;
  const source = parseRangesSource(ranges.source);
  return {
    ...written,
    listen: written.listen.map(({ tls, ...endpoint }) => ({
      ...endpoint,
      tls: tls && { cert: pathOf(tls.cert), key: pathOf(tls.key), clientCa: pathOf(tls.clientCa) },
    })),
    networks: expandNetworks(written.networks, options.networks),
    cloud: written.cloud === 'auto' ? options.cloud : written.cloud,
    groups: new Map(Object.entries(written.groups)),
    ranges: {
      ...ranges,
      source: source.ok && source.value.type === 'file' ? resolvePath(options.file, source.value.path) : ranges.source,
      cacheDir: resolvePath(options.file, ranges.cacheDir),
    },
    auth: { ...auth, usersFile: pathOf(auth.usersFile) },
    upstream: { ...upstream, credentialsFile: pathOf(upstream.credentialsFile) },
    log: { ...log, access: log.access === '-' ? '-' : resolvePath(options.file, log.access) },
  };
}

function keyFiles({ listen, upstream }: Config): readonly (string | null)[] {
  return [...listen.flatMap(({ tls }) => (tls ? [tls.cert, tls.key, tls.clientCa] : [])), upstream.credentialsFile];
}

function keyPlace(document: SourceDocument, path: readonly (string | number)[]): { line: number; column: number } {
  const last = path.at(-1);
  return typeof last === 'string' ? document.placeOf(path.slice(0, -1), last) : document.placeOf(path);
}

function endOf(text: string): { line: number; column: number } {
  const lines = text.split('\n');
  return { line: lines.length, column: (lines.at(-1) ?? '').length + 1 };
}

/** Equal for equal behaviour: maps by key, and of the rules their normal texts. */
function hashOf(config: Config, rules: readonly Rule[], users: Users | null): string {
  const groups = [...config.groups].sort(([a], [b]) => (a < b ? -1 : 1));
  const hashes = users ? [...users.hashes].sort(([a], [b]) => (a < b ? -1 : 1)) : null;
  const texts = rules.map(({ text }) => text);
  const canonical = JSON.stringify({ config: { ...config, groups }, rules: texts, users: hashes });
  return createHash('sha256').update(canonical).digest('hex').slice(0, 12);
}
