/** The parent proxy of the configuration: where it is, what goes around it, and what fits no parent. */
import type { Address, Prefix } from '../address/ip.ts';
import { hostPort, parseAddress, parsePrefix } from '../address/ip.ts';
import type { Result } from '../errors.ts';
import { parseAbsoluteForm, parseHost } from '../message/request-target.ts';
import type { Config } from './config.ts';
import { collides } from './values.ts';
import type { Remark } from './warnings.ts';

/** Where the parent is; its address may be private, for it is configured and not asked for. */
export interface ParentAddress {
  readonly host: string;
  /** Null for a name, which the system looks up. */
  readonly address: Address | null;
  readonly port: number;
  /** Whether TLS is spoken to it (`https://`). */
  readonly isTls: boolean;
}

/** What does not go through the parent: addresses, or a name with all under it. */
export type DirectEntry =
  { readonly type: 'prefix'; readonly prefix: Prefix } | { readonly type: 'suffix'; readonly name: string };

/** Reads `http://host:port` or `https://host:port`. Messages never repeat the text: it may hold a password. */
export function parseParent(text: string): Result<ParentAddress> {
  const fail = (message: string): Result<ParentAddress> => ({ ok: false, message });
  if (text.includes('@')) {
    return fail('leave the credentials out; write user:password to the file that `upstream.credentialsFile` names');
  }
  const [, scheme = '', authority = '', rest = ''] = /^(?:([a-z][a-z\d+.-]*):\/\/)?([^/?#]*)(.*)$/is.exec(text) ?? [];
  const read = parseAbsoluteForm(`http://${authority}/`, 'GET');
  if (!read.ok) return fail(`${read.message}; write "http://proxy.example:3128"`);
  const { host, address, port } = read.value.target;
  const right = `http://${hostPort(host, port)}`;
  if (scheme === '') return fail(`write the scheme too, as in "${right}"`);
  if (!/^https?$/i.test(scheme)) return fail(`a parent is spoken to in http:// or https://, as in "${right}"`);
  if (!/:\d+$/.test(authority)) return fail(`write the port too, as in "${scheme.toLowerCase()}://${authority}:3128"`);
  if (rest !== '' && rest !== '/') return fail(`nothing follows the port; write "${right}"`);
  return { ok: true, value: { host, address, port, isTls: scheme.toLowerCase() === 'https' } };
}

/** Reads an entry of `upstream.direct`; `*.name`, `.name` and `name` mean the same: the name and all under it. */
export function parseDirect(text: string): Result<DirectEntry> {
  if (text.includes('/') || parseAddress(text)) {
    const prefix = parsePrefix(text);
    return prefix.ok ? { ok: true, value: { type: 'prefix', prefix: prefix.value } } : prefix;
  }
  const name = parseHost(text.replace(/^\*?\./, ''));
  if (name.ok && name.value.address === null) return { ok: true, value: { type: 'suffix', name: name.value.host } };
  const message = `\`${text}\` is neither a prefix nor the end of a name; write "10.1.0.0/16" or ".contoso.example"`;
  return { ok: false, message };
}

/** What is well formed in `upstream` and still wrong. */
export function upstreamRemarks({ upstream, listen }: Config): readonly Remark[] {
  const { proxy, direct, resolve } = upstream;
  if (proxy === null) {
    const idle = [...(direct.length > 0 ? ['direct'] : []), ...(resolve === 'needed' ? [] : ['resolve'])];
    return idle.map((key) => ({
      severity: 'warning',
      path: ['upstream', key],
      message: `\`upstream.${key}\` changes nothing without \`upstream.proxy\``,
    }));
  }
  const own = listen.find(
    ({ address, port }) => proxy.address && collides({ address, port }, { ...proxy, address: proxy.address.text }),
  );
  if (own === undefined || !isOwn(proxy.address, own.address)) return [];
  const message = `${hostPort(proxy.host, proxy.port)} is where this proxy itself listens; name its parent`;
  return [{ severity: 'fault', path: ['upstream', 'proxy'], message }];
}

/** A listener on every address takes loopback for sure; which other addresses are this machine's is not known here. */
function isOwn(parent: Address | null, listener: string): boolean {
  return parent !== null && (parent.text === listener || parent.text === '127.0.0.1' || parent.text === '::1');
}
