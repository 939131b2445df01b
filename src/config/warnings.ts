/** What a configuration says that is well formed and still wrong, or wider than its writer may think. */
import { formatPrefix, hostPort, isHostPrefix } from '../address/ip.ts';
import type { Prefix } from '../address/ip.ts';
import { classifyAddress, isAlwaysForbidden } from '../address/special-purpose.ts';
import type { Severity } from '../errors.ts';
import type { Config, WrittenConfig } from './config.ts';
import { upstreamRemarks } from './upstream.ts';
import { collides, isInsidePrivateSpace, touchesLoopback } from './values.ts';
import type { Endpoint, OwnNetworks } from './values.ts';

/** A finding about the value at a path. */
export interface Remark {
  readonly severity: Severity;
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Everything to remark on a configuration whose every value fits its type. */
export function remarksOn(written: WrittenConfig, config: Config, own: OwnNetworks): readonly Remark[] {
  return [
    ...listenerRemarks(config),
    ...groupRemarks(config),
    ...networkRemarks(written, config, own),
    ...config.privateDestinations.flatMap((prefix, index) => privateRemarks(prefix, ['privateDestinations', index])),
    ...modeRemarks(config),
    ...upstreamRemarks(config),
    ...(config.allowlist.length === 0
      ? [warning(['allowlist'], 'no list: every request is refused; name a shipped list or a file')]
      : []),
  ];
}

function warning(path: Remark['path'], message: string): Remark {
  return { severity: 'warning', path, message };
}

/** Two listeners on one port would leave it to chance, or to the order of starting, which one answers. */
function listenerRemarks(config: Config): readonly Remark[] {
  const { admin, health, listen } = config;
  // Those that have a default come first, so that the finding stands at what somebody wrote.
  const listeners: readonly { readonly endpoint: Endpoint; readonly path: Remark['path'] }[] = [
    { endpoint: admin.listen, path: ['admin', 'listen'] },
    ...(health.listen === null ? [] : [{ endpoint: health.listen, path: ['health', 'listen'] }]),
    ...listen.map((endpoint, index) => ({ endpoint, path: ['listen', index] })),
  ];
  return listeners.flatMap(({ endpoint, path }, index) => {
    const other = listeners.slice(0, index).find((earlier) => collides(earlier.endpoint, endpoint));
    if (other === undefined) return [];
    const own = hostPort(endpoint.address, endpoint.port);
    const theirs = `${hostPort(other.endpoint.address, other.endpoint.port)} (\`${other.path.join('.')}\`)`;
    return [{ severity: 'fault' as const, path, message: `${own} and ${theirs} are on one port; give each its own` }];
  });
}

/** A group is named in `from @name`, where blanks and commas end a name. */
function groupRemarks(config: Config): readonly Remark[] {
  return [...config.groups.keys()]
    .filter((name) => !/^[\w.-]+$/.test(name))
    .map((name) => ({
      severity: 'fault',
      path: ['groups', name],
      message: `group \`${name}\`: a name has letters, digits, dots, hyphens and underscores alone`,
    }));
}

function networkRemarks(written: WrittenConfig, config: Config, own: OwnNetworks): readonly Remark[] {
  const [word, ...others] = written.networks;
  if (word === undefined) return [warning(['networks'], 'no network: no client is admitted')];
  if (others.length === 0 && typeof word === 'string') {
    const subnets = own().filter((prefix) => ['public', 'private'].includes(classifyAddress(prefix.address)));
    const named = subnets.length === 0 ? '10.1.2.0/24' : subnets.map(formatPrefix).join(', ');
    const who =
      word === 'auto' ? `the subnets of this machine (${config.networks.length} prefixes)` : 'every private address';
    const message = `\`${word}\` admits ${who}; name the clients' subnets, as in \`networks: [${named}]\``;
    return [{ severity: 'note', path: ['networks'], message }];
  }
  return written.networks.flatMap((entry, index) => {
    if (typeof entry === 'string' || isInsidePrivateSpace(entry)) return [];
    const who = entry.length === 0 ? 'everyone' : 'clients beyond private space';
    return [warning(['networks', index], `${formatPrefix(entry)} admits ${who}; name the clients' subnets`)];
  });
}

function privateRemarks(prefix: Prefix, path: Remark['path']): readonly Remark[] {
  const text = formatPrefix(prefix);
  const isWhole = isHostPrefix(prefix);
  if (isWhole && isAlwaysForbidden(classifyAddress(prefix.address))) {
    return [warning(path, `${text} is always refused, and stays so whatever is written here`)];
  }
  if (!isInsidePrivateSpace(prefix)) {
    return [warning(path, `${text} is wider than private space; name the private prefixes that are meant`)];
  }
  if (!touchesLoopback(prefix)) return [];
  return [warning(path, `${text} opens loopback: services of the proxy's own machine that trust local callers`)];
}

function modeRemarks(config: Config): readonly Remark[] {
  const remarks: Remark[] = [];
  if (config.mode === 'report') remarks.push(warning(['mode'], '`report` lets through what no rule allows'));
  if (config.mode === 'report' && config.reportFrom.length > 0) {
    remarks.push(warning(['reportFrom'], '`reportFrom` adds nothing while `mode` is `report`'));
  }
  if (config.tlsServerName !== 'require') {
    const what = 'tunnels may carry what is not TLS or names another host than the one allowed';
    remarks.push(warning(['tlsServerName'], `\`${config.tlsServerName}\`: ${what}`));
  }
  const star = config.ranges.resolveNames.indexOf('*');
  if (star >= 0) {
    const message = '`*` looks up every name that an `ip:` or `tag:` rule could allow: lookups carry data out';
    remarks.push(warning(['ranges', 'resolveNames', star], message));
  }
  return remarks;
}
