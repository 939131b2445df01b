/** What one snapshot of the configuration decides with: rules indexed, ranges, and the switches that relax a verdict. */
import type { Address } from '../address/ip.ts';
import type { PrefixSet } from '../address/prefix-set.ts';
import type { Rule } from './rule.ts';
import type { Ranges, RuleIndex } from './rule-index.ts';
import { createRuleIndex } from './rule-index.ts';

export interface Policy {
  readonly allow: RuleIndex;
  readonly deny: RuleIndex;
  readonly ranges: Ranges;
  /** Clients that may use the proxy at all. */
  readonly networks: PrefixSet;
  /** Whether `tag:` and `ip:` rules may speak for a host target of this name (`ranges.resolveNames`). */
  readonly isResolvable: (host: string) => boolean;
  readonly privateDestinations: PrefixSet;
  readonly isReported: (client: Address) => boolean;
  /** The ports on which report mode lets an unlisted target pass: 80, 443 and those the lists name. */
  readonly reportPorts: ReadonlySet<number>;
  readonly tlsServerName: 'require' | 'report' | 'off';
}

/** Everything a policy is made from, as the configuration gives it. */
export interface PolicyParts {
  readonly rules: readonly Rule[];
  readonly ranges: Ranges;
  readonly networks: PrefixSet;
  /** Suffixes under which names may be matched by address; `*` means every name. */
  readonly resolveNames: readonly string[];
  readonly privateDestinations: PrefixSet;
  readonly mode: 'enforce' | 'report';
  /** Clients in report mode while the mode is `enforce`. */
  readonly reportFrom: PrefixSet;
  readonly tlsServerName: 'require' | 'report' | 'off';
}

/** The suffixes of names that Microsoft operates for Azure, each cloud's; what `ranges.resolveNames: [azure]` means. */
export const azureSuffixes: readonly string[] = [
  'azure.com',
  'azure.net',
  'azure.us',
  'azure.cn',
  'azure-automation.net',
  'chinacloudapi.cn',
  'core.windows.net',
  'backup.windowsazure.com',
  'backup.windowsazure.cn',
  'backup.windowsazure.us',
  'database.windows.net',
  'hypervrecoverymanager.windowsazure.com',
  'login.windows.net',
  'graph.windows.net',
  'microsoft.com',
  'microsoftazure.de',
  'microsoftonline.com',
  'microsoftonline.us',
  'partner.microsoftonline.cn',
  'msauth.net',
  'msftauth.net',
  'servicebus.windows.net',
  'usgovcloudapi.net',
  'windowsazure.com',
  'windowsazure.us',
  'windowsazure.cn',
];

/** Builds the policy of one snapshot; costs what indexing the rules costs, decisions afterwards cost their labels. */
export function createPolicy(parts: PolicyParts): Policy {
  const reportPorts = new Set([80, 443]);
  for (const rule of parts.rules) {
    for (const ports of [rule.scope.tunnel, rule.scope.forward])
      if (ports !== 'any') for (const port of ports) reportPorts.add(port);
  }
  const suffixes = new Set(parts.resolveNames.flatMap((name) => (name === 'azure' ? azureSuffixes : [name])));
  return {
    allow: createRuleIndex(
      parts.rules.filter((rule) => !rule.deny),
      parts.ranges,
    ),
    deny: createRuleIndex(
      parts.rules.filter((rule) => rule.deny),
      parts.ranges,
    ),
    ranges: parts.ranges,
    networks: parts.networks,
    isResolvable: (host) => suffixes.has('*') || isAtOrUnder(host, suffixes),
    privateDestinations: parts.privateDestinations,
    isReported: (client) => parts.mode === 'report' || parts.reportFrom.has(client),
    reportPorts,
    tlsServerName: parts.tlsServerName,
  };
}

function isAtOrUnder(host: string, suffixes: ReadonlySet<string>): boolean {
  if (suffixes.has(host)) return true;
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
    if (suffixes.has(host.slice(dot + 1))) return true;
  }
  return false;
}
