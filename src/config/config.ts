/** The configuration: every key with its type, its default and its bounds, described once. */
import { z } from 'zod';
import { parsePrefix } from '../address/ip.ts';
import type { Prefix } from '../address/ip.ts';
import type { Result } from '../errors.ts';
import { didYouMean } from '../policy/nearest.ts';
import { parseDirect, parseParent } from './upstream.ts';
import type { DirectEntry, ParentAddress } from './upstream.ts';
import { parseEndpoint, parseNetwork, parseRealm } from './values.ts';
import type { Endpoint, NetworkWord } from './values.ts';

/** An Azure cloud; each has lists of its own. */
export type Cloud = 'public' | 'usgov' | 'china';

/** Where the proxy listens; `tls` names PEM files, `clientCa` the authorities whose client certificates name a user. */
export interface Listener extends Endpoint {
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCa: string | null } | null;
}

/** The effective configuration: every default filled in, words expanded, prefixes read. Names are those of the file. */
export interface Config {
  readonly listen: readonly Listener[];
  /** Clients admitted. */
  readonly networks: readonly Prefix[];
  readonly cloud: Cloud;
  /** Shipped lists by name, or files, as written. */
  readonly allowlist: readonly string[];
  readonly groups: ReadonlyMap<string, readonly Prefix[]>;
  readonly mode: 'enforce' | 'report';
  readonly reportFrom: readonly Prefix[];
  readonly privateDestinations: readonly Prefix[];
  readonly tlsServerName: 'require' | 'report' | 'off';
  readonly ranges: {
    readonly source: string;
    readonly refreshHours: number;
    readonly cacheDir: string;
    readonly maxShrinkPercent: number;
    readonly staleAfterDays: number;
    readonly resolveNames: readonly string[];
  };
  readonly auth: {
    readonly requiredFrom: readonly Prefix[];
    readonly usersFile: string | null;
    readonly realm: string;
  };
  readonly upstream: {
    readonly proxy: ParentAddress | null;
    readonly credentialsFile: string | null;
    readonly direct: readonly DirectEntry[];
    readonly resolve: 'needed' | 'always';
  };
  readonly limits: {
    readonly connections: number;
    readonly connectionsPerClient: number;
    readonly headerBytes: number;
    readonly headerMs: number;
    readonly dnsMs: number;
    readonly connectMs: number;
    readonly clientHelloMs: number;
    readonly idleMs: number;
    readonly halfCloseMs: number;
    readonly keepAliveMs: number;
  };
  readonly log: {
    /** `-` is standard output; else a file, relative to the configuration's folder no more. */
    readonly access: string;
    readonly format: 'json' | 'squid';
    readonly level: 'debug' | 'info' | 'warn' | 'error';
    readonly tunnelOpenAfterMs: number;
  };
  readonly admin: { readonly listen: Endpoint };
  readonly health: { readonly listen: Endpoint | null };
  readonly reload: { readonly watch: boolean; readonly closeRefused: 'denied' | 'all' | 'none' };
  readonly workers: number | 'auto';
  readonly drain: { readonly graceMs: number; readonly deadlineMs: number };
}

/** The configuration as written: words not yet expanded. */
export interface WrittenConfig extends Omit<Config, 'networks' | 'cloud' | 'groups'> {
  readonly networks: readonly (Prefix | NetworkWord)[];
  readonly cloud: Cloud | 'auto';
  readonly groups: Readonly<Record<string, readonly Prefix[]>>;
}

/** A value that does not fit, by its path; `key` is an unknown key of the block at that path. */
export interface Misfit {
  readonly path: readonly (string | number)[];
  readonly key: string | null;
  readonly message: string;
}

/** Text read by one of our parsers, whose message becomes the fault. */
function parsed<T>(parse: (text: string) => Result<T>) {
  return z.string().transform((text, context): T => {
    const result = parse(text);
    if (result.ok) return result.value;
    context.issues.push({ code: 'custom', message: result.message, input: text });
    return z.NEVER;
  });
}

/** A block of keys; one with nothing in it (all commented out) is all defaults. */
function block<T extends z.core.$ZodLooseShape>(shape: T) {
  return z.preprocess((value) => value ?? {}, z.strictObject(shape)).prefault({});
}

const prefixes = () => z.array(parsed(parsePrefix)).default([]);
const endpoint = parsed(parseEndpoint);
const file = z.string().min(1).nullable().default(null);
const count = (max: number) => z.int().min(1).max(max);
/** Milliseconds; a timer holds 31 bits. */
const ms = (standard: number) => z.int().min(1).max(2_147_483_647).default(standard);
const delay = (standard: number) => z.int().min(0).max(2_147_483_647).default(standard);

const tls = z.strictObject({ cert: z.string().min(1), key: z.string().min(1), clientCa: file });
const listener = z
  .preprocess(
    (value) => (typeof value === 'object' && value !== null ? value : { address: value }),
    z.strictObject({ address: endpoint, tls: tls.nullable().default(null) }),
  )
  .transform(({ address, tls }) => ({ ...address, tls }));

const schema = z.strictObject({
  listen: z.array(listener).min(1).prefault(['0.0.0.0:3128']),
  networks: z.array(parsed(parseNetwork)).prefault(['private']),
  cloud: z.enum(['auto', 'public', 'usgov', 'china']).default('auto'),
  allowlist: z.array(z.string().min(1)).default(['azure-backup', 'azure-identity', 'azure-arm', 'certificates']),
  groups: z.preprocess((value) => value ?? {}, z.record(z.string(), z.array(parsed(parsePrefix)))).prefault({}),
  mode: z.enum(['enforce', 'report']).default('enforce'),
  reportFrom: prefixes(),
  privateDestinations: prefixes(),
  tlsServerName: z.enum(['require', 'report', 'off']).default('require'),
  ranges: block({
    source: z.string().min(1).default('auto'),
    refreshHours: z
      .number()
      .min(1)
      .max(24 * 365)
      .default(24),
    cacheDir: z.string().min(1).default('/var/lib/lockdown-proxy'),
    maxShrinkPercent: z.number().min(0).max(100).default(40),
    staleAfterDays: z.number().min(1).max(3650).default(8),
    resolveNames: z.array(z.string().min(1)).default(['azure']),
  }),
  auth: block({ requiredFrom: prefixes(), usersFile: file, realm: parsed(parseRealm).default('lockdown-proxy') }),
  upstream: block({
    proxy: parsed(parseParent).nullable().default(null),
    credentialsFile: file,
    direct: z.array(parsed(parseDirect)).default([]),
    resolve: z.enum(['needed', 'always']).default('needed'),
  }),
  limits: block({
    connections: count(1_000_000).default(20_000),
    connectionsPerClient: count(1_000_000).default(2000),
    headerBytes: z.int().min(1024).max(1_048_576).default(16_384),
    headerMs: ms(10_000),
    dnsMs: ms(5000),
    connectMs: ms(10_000),
    clientHelloMs: ms(30_000),
    idleMs: ms(900_000),
    halfCloseMs: ms(60_000),
    keepAliveMs: ms(60_000),
  }),
  log: block({
    access: z.string().min(1).default('-'),
    format: z.enum(['json', 'squid']).default('json'),
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    tunnelOpenAfterMs: delay(60_000),
  }),
  admin: block({ listen: endpoint.prefault('127.0.0.1:3129') }),
  health: block({ listen: endpoint.nullable().default(null) }),
  reload: block({
    watch: z.boolean().default(true),
    closeRefused: z.enum(['denied', 'all', 'none']).default('denied'),
  }),
  workers: z.union([z.literal('auto'), count(1024)]).default('auto'),
  drain: block({ graceMs: delay(0), deadlineMs: delay(30_000) }),
});

/** Reads a value as configuration; where it does not fit, `misfits` says so and the defaults stand in for that key. */
export function readConfig(value: object): { readonly config: WrittenConfig; readonly misfits: readonly Misfit[] } {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return { config: result.data, misfits: [] };
  const misfits = result.error.issues.flatMap((issue): Misfit[] => {
    const path = issue.path.filter((part) => typeof part !== 'symbol');
    if (issue.code !== 'unrecognized_keys') return [{ path, key: null, message: describe(issue, path.join('.')) }];
    return issue.keys.map((key) => ({ path, key, message: describeUnknownKey(key, path) }));
  });
  const wrong = new Set(misfits.map(({ path, key }) => path[0] ?? key));
  const rest = Object.entries(value).filter(([key]) => !wrong.has(key));
  return { config: readConfig(Object.fromEntries(rest)).config, misfits };
}

/** What is wrong with a value, in words for who wrote it. */
function describe(issue: z.core.$ZodIssue, name: string): string {
  const { input } = issue;
  if (issue.code === 'custom') return `\`${name}\`: ${issue.message}`;
  if (input === null) return `\`${name}\` has no value; leave the key out for its default`;
  const given = typeof input === 'object' ? '' : `, not ${JSON.stringify(input)}`;
  if (issue.code === 'invalid_union') return `\`${name}\` must be \`auto\` or a whole number${given}`;
  if (issue.code === 'invalid_value') {
    const words = issue.values.map(String);
    return `\`${name}\` must be ${words.map((word) => `\`${word}\``).join(' or ')}${given}${didYouMean(typeof input === 'string' ? input : '', words)}`;
  }
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    if (typeof input === 'string' || Array.isArray(input)) return `\`${name}\` is empty`;
    const bound = issue.code === 'too_small' ? `${issue.minimum} or more` : `${issue.maximum} or less`;
    return `\`${name}\` must be ${bound}${given}`;
  }
  if (issue.code !== 'invalid_type') return `\`${name}\`: ${issue.message}`;
  const right = issue.expected === 'array' && given !== '' ? `; write [${JSON.stringify(input)}]` : '';
  return `\`${name}\` must be ${kinds[issue.expected] ?? issue.expected}${given}${right}`;
}

const kinds: Readonly<Record<string, string>> = {
  array: 'a list',
  string: 'text',
  boolean: '`true` or `false`',
  int: 'a whole number',
  number: 'a number',
  object: 'a block of keys',
  record: 'a block of names',
};

/** An unknown key, with the nearest known one beside it or the block that has it. */
function describeUnknownKey(key: string, path: readonly (string | number)[]): string {
  const sections = Object.entries(readConfig({}).config);
  const section = path.length === 0 ? undefined : sections.find(([name]) => name === path[0])?.[1];
  let known = Object.keys(path.length === 0 ? schema.shape : (section ?? {}));
  if (path[0] === 'listen') known = Object.keys(path.length > 2 ? tls.shape : { address: '', tls: '' });
  const home = sections.find(([, value]) => typeof value === 'object' && value !== null && key in value)?.[0];
  const hint = didYouMean(key, known) || (home === undefined ? '' : `; did you mean \`${home}.${key}\`?`);
  return `unknown key \`${[...path, key].join('.')}\`${hint || `; known here: ${known.join(', ')}`}`;
}
