/** What one snapshot of the configuration decides with: rules indexed, ranges, and the switches that relax a verdict. */
import type { Address } from '../address/ip.ts';
import type { PrefixSet } from '../address/prefix-set.ts';
import type { Kind, Rule } from './rule.ts';
import type { Ranges, RuleIndex } from './rule-index.ts';
import { createRuleIndex } from './rule-index.ts';

export interface Policy {
  readonly allow: RuleIndex;
  readonly deny: RuleIndex;
  /** The denies that speak of addresses: whether one removes a host's is not known before it is looked up. */
  readonly addressDenies: readonly Rule[];
  readonly ranges: Ranges;
  /** Clients that may use the proxy at all. */
  readonly networks: PrefixSet;
  /** Whether `tag:` and `ip:` rules may speak for a host target of this name (`ranges.resolveNames`). */
  readonly isResolvable: (host: string) => boolean;
  readonly privateDestinations: PrefixSet;
  readonly isReported: (client: Address) => boolean;
  /** The ports on which report mode lets an unlisted target pass: 80, 443 and those that allows of the lists name. */
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
const azureSuffixes: readonly string[] = [
  'azure-automation.net',
  'azure.cn',
  'azure.com',
  'azure.net',
  'azure.us',
  'chinacloudapi.cn',
  'core.windows.net',
  'database.windows.net',
  'graph.windows.net',
  'login.windows.net',
  'microsoft.com',
  'microsoftonline.com',
  'microsoftonline.us',
  'msauth.net',
  'msftauth.net',
  'partner.microsoftonline.cn',
  'servicebus.windows.net',
  'usgovcloudapi.net',
  'windowsazure.cn',
  'windowsazure.com',
  'windowsazure.us',
];

/**
 * What lies under those suffixes and is a tenant's all the same: the names of virtual machines and of web sites in
 * storage. A service tag that holds a whole cloud would let them out by name.
 */
const tenantSites: readonly string[] = [
  'cloudapp.azure.com',
  'cloudapp.chinacloudapi.cn',
  'cloudapp.usgovcloudapi.net',
  'web.core.chinacloudapi.cn',
  'web.core.usgovcloudapi.net',
  'web.core.windows.net',
  'web.storage.azure.net',
];

/** Builds the policy of one snapshot; costs what indexing the rules costs, decisions afterwards cost their labels. */
export function createPolicy(parts: PolicyParts): Policy {
  const allows = parts.rules.filter((rule) => !rule.deny);
  const denies = parts.rules.filter((rule) => rule.deny);
  return {
    allow: createRuleIndex(allows, parts.ranges),
    deny: createRuleIndex(denies, parts.ranges),
    addressDenies: denies.filter((rule) => rule.pattern.type !== 'host'),
    ranges: parts.ranges,
    networks: parts.networks,
    isResolvable: createNameTest(parts.resolveNames),
    privateDestinations: parts.privateDestinations,
    isReported: (client) => parts.mode === 'report' || parts.reportFrom.has(client),
    reportPorts: new Set([
      80,
      443,
      ...allows.flatMap((rule) => [...portsOf(rule, 'tunnel'), ...portsOf(rule, 'forward')]),
    ]),
    tlsServerName: parts.tlsServerName,
  };
}

/** The narrowest suffix that a name lies at or under decides, so that one written out counts under a tenant's as well. */
function createNameTest(resolveNames: readonly string[]): (host: string) => boolean {
  const verdicts = new Map<string, boolean>();
  if (resolveNames.includes('azure')) {
    for (const suffix of azureSuffixes) verdicts.set(suffix, true);
    for (const suffix of tenantSites) verdicts.set(suffix, false);
  }
  // Written as in a rule or bare: `*.contoso.com`, `.contoso.com` and `contoso.com` mean the same here.
  for (const name of resolveNames) {
    if (name !== 'azure') verdicts.set(name.toLowerCase().replace(/^\*?\.|\.$/g, ''), true);
  }
  if (verdicts.has('*')) return () => true;
  return (host) => {
    let verdict = verdicts.get(host);
    for (let dot = host.indexOf('.'); verdict === undefined && dot !== -1; dot = host.indexOf('.', dot + 1)) {
      verdict = verdicts.get(host.slice(dot + 1));
    }
    return verdict ?? false;
  };
}

/** A `deny` may have any port; what is let pass in report mode are the ports that an allow names. */
function portsOf(rule: Rule, kind: Kind): readonly number[] {
  const ports = rule.scope[kind];
  return ports === 'any' ? [] : ports;
}
