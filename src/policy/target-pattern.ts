/** The TARGET of an allowlist rule: which names or addresses, which ports of which kind, which path. */
import { formatPrefix, hostPrefix, isHostPrefix, parsePrefix } from '../address/ip.ts';
import type { Prefix } from '../address/ip.ts';
import { normalisePath } from '../message/request-target.ts';
import { misread, readHostPattern } from './host-pattern.ts';
import type { Read } from './host-pattern.ts';
import type { Pattern, Rule, Scope } from './rule.ts';

/** One TARGET; `changes` says what was set right, `warning` what it does that its writer may not expect. */
export interface TargetReading {
  readonly pattern: Pattern;
  readonly scope: Scope;
  readonly path: Rule['path'];
  readonly text: string;
  readonly changes: readonly string[];
  readonly warning: string | null;
}

type Scheme = 'https' | 'http';

/** Reads a TARGET as one word of a line; a `deny` without port or path covers both kinds on every port. */
export function readTarget(word: string, deny: boolean): Read<TargetReading> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(word)?.[1];
  if (scheme !== undefined) {
    const known = scheme.toLowerCase();
    if (known === 'https' || known === 'http') return readUrl(word, known, deny);
    return misread(0, `unknown scheme \`${scheme}://\`; write \`https://HOST\`, \`http://HOST\` or HOST alone`);
  }
  const colon = word.indexOf(':');
  const lead = word.slice(0, Math.max(colon, 0)).toLowerCase();
  if (lead === 'tag') return readTag(word, deny);
  if (lead === 'ip') return readAddresses(word, colon + 1, deny);
  if (/^(\[|\d[\d.]*(\/\d|:\d|\/?$)|[\da-f]*:[\da-f]*:)/i.test(word)) return readAddresses(word, 0, deny);
  if (/^[a-z]+$/.test(lead) && !word.includes('@') && /^[a-z/]|[.:].*\/\d/i.test(word.slice(colon + 1))) {
    return misread(0, `unknown \`${lead}:\`; write \`https://\`, \`http://\`, \`tag:\`, \`ip:\` or HOST:PORT`);
  }
  return readBareHost(word, deny);
}

/** `https://HOST[:PORT]` and `http://HOST[:PORT][/PATH]`: one kind alone. */
function readUrl(word: string, scheme: Scheme, deny: boolean): Read<TargetReading> {
  const start = scheme.length + '://'.length;
  const authority = readAuthority(word, start, false);
  if (!authority.ok) return authority;
  const { pattern, name, ports, end } = authority.value;
  const rest = word.slice(end);
  const hostText = `${scheme}://${name}`;
  if (scheme === 'https' && rest !== '' && rest !== '/') {
    const right = `${hostText}${ports === null ? '' : `:${ports[0]}`}`;
    return misread(end, `a path is inside the tunnel and cannot be judged; write \`${right}\``);
  }
  const path = readPath(rest);
  if (!path.ok) return misread(end + path.at, path.message);

  const changes = [...authority.value.changes];
  if (rest === '/') changes.push('no trailing slash');
  if (!word.startsWith(scheme)) changes.push('lower case');
  const standard = scheme === 'https' ? 443 : 80;
  const covered = ports ?? [standard];
  const every = deny && ports === null && path.value === null;
  const kind = scheme === 'https' ? 'CONNECT' : 'plain http';
  const scope: Scope = { tunnel: scheme === 'https' ? covered : [], forward: scheme === 'http' ? covered : [] };
  const port = ports === null || (!deny && ports[0] === standard) ? '' : `:${ports[0]}`;
  const pathText = path.value === null ? '' : `${path.value.text}${path.value.prefix ? '*' : ''}`;
  return {
    ok: true,
    value: {
      pattern,
      scope: every ? { tunnel: 'any', forward: 'any' } : scope,
      path: path.value,
      text: `${hostText}${port}${pathText}`,
      changes: [...new Set(changes)],
      warning: every
        ? `this refuses both kinds on every port; to refuse ${kind} alone write the port: \`deny ${hostText}:${standard}\``
        : null,
    },
  };
}

/** HOST or HOST:PORTS: port 80 is plain http, every other one CONNECT. */
function readBareHost(word: string, deny: boolean): Read<TargetReading> {
  const authority = readAuthority(word, 0, true);
  if (!authority.ok) return authority;
  const { pattern, name, ports, end } = authority.value;
  const rest = word.slice(end);
  if (rest !== '' && rest !== '/') return misread(end, `a path goes with plain http; write \`http://${name}${rest}\``);
  const covered = ports ?? [443];
  const scope: Scope = {
    tunnel: covered.filter((port) => port !== 80),
    forward: covered.filter((port) => port === 80),
  };
  return {
    ok: true,
    value: {
      pattern,
      scope: deny && ports === null ? { tunnel: 'any', forward: 'any' } : scope,
      path: null,
      text: `${name}${portText(ports, deny)}`,
      changes: [...authority.value.changes, ...(rest === '/' ? ['no trailing slash'] : [])],
      warning: null,
    },
  };
}

interface Authority {
  readonly pattern: Pattern;
  /** The host in normal form, brackets kept. */
  readonly name: string;
  readonly ports: readonly number[] | null;
  readonly changes: readonly string[];
  /** Where in the word the authority ends. */
  readonly end: number;
}

/** The host and port of a word, from `start` to the first `/`, `?` or `#`. */
function readAuthority(word: string, start: number, many: boolean): Read<Authority> {
  const length = word.slice(start).search(/[/?#]/);
  const end = length < 0 ? word.length : start + length;
  const text = word.slice(start, end);
  // Not echoed: what stands before the @ may be a password.
  if (text.includes('@')) return misread(start, 'a user and password do not belong in a rule; write the host alone');
  const colon = text.startsWith('[') ? text.indexOf(':', Math.max(text.indexOf(']'), 0)) : text.lastIndexOf(':');
  const hostText = colon < 0 ? text : text.slice(0, colon);
  const host = readHostPattern(hostText);
  if (!host.ok) return misread(start + host.at, host.message);
  const ports = colon < 0 ? null : readPorts(text.slice(colon + 1), many);
  if (ports !== null && !ports.ok) return misread(start + colon + 1 + ports.at, ports.message);
  const found = host.value.host;
  const pattern: Pattern =
    found.type === 'address' ? { type: 'prefix', prefix: hostPrefix(found.address) } : { type: 'host', host: found };
  return {
    ok: true,
    value: { pattern, name: host.value.text, ports: ports?.value ?? null, changes: host.value.changes, end },
  };
}

/** `ip:PREFIX`, `ip:[V6PREFIX]:PORTS`, or the same without `ip:`; `start` is where the prefix begins. */
function readAddresses(word: string, start: number, deny: boolean): Read<TargetReading> {
  const text = word.slice(start);
  const body = text.endsWith('/') ? text.slice(0, -1) : text;
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(body);
  const plain = body.includes('[') || body.split(':').length !== 2 ? null : /^([^:]*):(.*)$/.exec(body);
  const [, inner = body, portsText] = bracketed ?? plain ?? [];
  const crowded = /^(.*\/\d+):([\d,]+)$/.exec(inner);
  if (crowded !== null)
    return misread(start, `an IPv6 prefix with ports is written \`ip:[${crowded[1]}]:${crowded[2]}\``);
  const prefix = parsePrefix(inner);
  if (!prefix.ok) return misread(start, prefix.message);
  const ports = portsText === undefined ? null : readPorts(portsText, true);
  if (ports !== null && !ports.ok)
    return misread(start + body.length - (portsText ?? '').length + ports.at, ports.message);
  const found = ports?.value ?? null;
  const suffix = portText(found, deny);
  const shown = prefixText(prefix.value);
  return {
    ok: true,
    value: {
      pattern: { type: 'prefix', prefix: prefix.value },
      scope: bothKinds(found, deny),
      path: null,
      text: `ip:${suffix !== '' && prefix.value.address.family === 6 ? `[${shown}]` : shown}${suffix}`,
      changes: body === text ? [] : ['no trailing slash'],
      warning: null,
    },
  };
}

/** `tag:NAME[:PORTS]`. The name keeps its spelling; it is compared without regard to case. */
function readTag(word: string, deny: boolean): Read<TargetReading> {
  const [, name = '', portsText] = /^tag:([^:]*)(?::(.*))?$/is.exec(word) ?? [];
  if (!/^[a-z0-9][a-z0-9._-]*$/i.test(name)) {
    return misread('tag:'.length, 'a service tag is written like `tag:AzureBackup` or `tag:Storage.WestEurope:443`');
  }
  const ports = portsText === undefined ? null : readPorts(portsText, true);
  if (ports !== null && !ports.ok) return misread(`tag:${name}:`.length + ports.at, ports.message);
  const found = ports?.value ?? null;
  return {
    ok: true,
    value: {
      pattern: { type: 'tag', tag: name },
      scope: bothKinds(found, deny),
      path: null,
      text: `tag:${name}${portText(found, deny)}`,
      changes: word.startsWith('tag:') ? [] : ['lower case'],
      warning: null,
    },
  };
}

/** The path of an `http://` rule; null for none, and for the bare slash that every URL may end in. */
function readPath(text: string): Read<Rule['path']> {
  if (text === '' || text === '/') return { ok: true, value: null };
  const extra = text.search(/[?#]/);
  if (extra >= 0) return misread(extra, 'the query is not judged; write the path without it');
  const foreign = text.search(/[^\x21-\x7e]/);
  if (foreign >= 0) return misread(foreign, 'percent-encode the path as clients send it');
  const prefix = text.endsWith('*');
  const path = prefix ? text.slice(0, -1) : text;
  if (path.includes('*')) return misread(path.indexOf('*'), 'a `*` stands at the end of a path and nowhere else');
  const normal = normalisePath(path);
  if (normal !== path) return misread(0, `paths are compared in normal form; write \`${normal}${prefix ? '*' : ''}\``);
  return { ok: true, value: { text: path, prefix } };
}

/** Ports with commas between; ascending and each once. */
function readPorts(text: string, many: boolean): Read<readonly number[]> {
  const ports: number[] = [];
  let at = 0;
  for (const part of text.split(',')) {
    if (/^\d+-\d+$/.test(part)) return misread(at, `\`${part}\` is a range; write each port, as in \`80,443\``);
    if (!/^[1-9]\d{0,4}$/.test(part) || Number(part) > 65535) {
      return misread(at, `\`${part}\` is no port; write a number from 1 to 65535 without leading zeros`);
    }
    ports.push(Number(part));
    at += part.length + 1;
  }
  if (!many && ports.length > 1)
    return misread(0, 'one port after a URL; write HOST:80,443, or one rule for each port');
  return { ok: true, value: [...new Set(ports)].sort((a, b) => a - b) };
}

/** Rules by address cover both kinds, on port 443 unless written. */
function bothKinds(ports: readonly number[] | null, deny: boolean): Scope {
  if (ports === null && deny) return { tunnel: 'any', forward: 'any' };
  const covered = ports ?? [443];
  return { tunnel: covered, forward: covered };
}

/** `:PORTS`, or nothing where they are what goes without saying; to a `deny` none means all. */
function portText(ports: readonly number[] | null, deny: boolean): string {
  if (ports === null || (!deny && ports.length === 1 && ports[0] === 443)) return '';
  return `:${ports.join(',')}`;
}

/** A prefix as rules show it: one address goes without its length. */
export function prefixText(prefix: Prefix): string {
  return isHostPrefix(prefix) ? prefix.address.text : formatPrefix(prefix);
}
