/** The PAC file: which hosts go through the proxy, for software that asks for one. */
import type { Rule } from '../policy/rule.ts';

/**
 * A PAC file that sends the hosts of the allow rules to `proxy` (`PROXY host:port`) and all else direct: what is off
 * the lists has no way out either way, and names of the own network need none. Rules by address or tag are not in it.
 * `direct` are shell patterns of hosts that stay off the proxy whatever the rules say.
 */
export function writePac(rules: Iterable<Rule>, proxy: string, direct: readonly string[] = []): string {
  const shapes = new Set(
    [...rules].flatMap(({ deny, pattern }) => (deny || pattern.type !== 'host' ? [] : shapesOf(pattern.host))),
  );
  return `function FindProxyForURL(url, host) {
  host = host.toLowerCase().replace(/\\.$/, '');
  if (isPlainHostName(host) || host === 'localhost' || shExpMatch(host, '*.local')) return 'DIRECT';
  if (host === '168.63.129.16' || host === '169.254.169.254') return 'DIRECT';
  var direct = ${JSON.stringify(direct)};
  for (var k = 0; k < direct.length; k++) if (shExpMatch(host, direct[k])) return 'DIRECT';
  var shapes = ${JSON.stringify([...shapes].sort(), null, 2).replaceAll('\n', '\n  ')};
  for (var i = 0; i < shapes.length; i++) if (shExpMatch(host, shapes[i])) return ${JSON.stringify(proxy)};
  return 'DIRECT';
}
`;
}

type HostPattern = Extract<Rule['pattern'], { readonly type: 'host' }>['host'];

/** A shell pattern as PAC knows it. Its star crosses dots, so one label's star is wider here; the proxy still judges. */
function shapesOf(host: HostPattern): readonly string[] {
  if (host.type === 'first_label') return [`${host.before}*${host.after}.${host.name}`];
  const under = `*.${host.name}`;
  if (host.type === 'under') return [under];
  return host.type === 'exact' ? [host.name] : [host.name, under];
}
