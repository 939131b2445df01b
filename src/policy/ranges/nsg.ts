/** Ranges as rules of a network security group, for those who let machines out there and not through this proxy. */
import type { Prefix } from '../../address/ip.ts';
import { formatPrefix } from '../../address/ip.ts';

/** One rule: its destinations are of one family, because its source has to be of the same. */
export interface NsgRule {
  readonly name: string;
  readonly priority: number;
  readonly family: 4 | 6;
  readonly prefixes: readonly string[];
}

/** Azure's limit of address prefixes in one security rule. */
export const maxPrefixesPerRule = 4000;
/** The first priority; the lowest that Azure knows is 4096. */
const firstPriority = 200;
/** Azure's limit of a rule's name, less the number behind it. */
const maxNameLength = 70;

/** Splits prefixes into rules with priorities counted up, so that no rule of one run replaces another. */
export function toNsgRules(prefixes: readonly Prefix[], tags: readonly string[]): readonly NsgRule[] {
  const base = nameOf(tags.length === 1 ? (tags[0] ?? '') : 'ranges');
  const groups = ([4, 6] as const).flatMap((family) => {
    const own = prefixes.filter(({ address }) => address.family === family).map(formatPrefix);
    return Array.from({ length: Math.ceil(own.length / maxPrefixesPerRule) }, (_, at) => ({
      family,
      prefixes: own.slice(at * maxPrefixesPerRule, (at + 1) * maxPrefixesPerRule),
    }));
  });
  return groups.map((group, at) => ({ ...group, name: `${base}-${at + 1}`, priority: firstPriority + at }));
}

/** The commands of the Azure CLI and of Az PowerShell: the ranges as they are now, and the tags by name instead. */
export function formatNsg(rules: readonly NsgRule[], tags: readonly string[]): string {
  const byName = tags.map((tag, at) => ({
    name: nameOf(tag),
    priority: firstPriority + at,
    family: 4 as const,
    prefixes: [tag],
  }));
  const hasV6 = rules.some(({ family }) => family === 6);
  return [
    '# Take one of the four parts. The first two let out to the ranges as they are now; they have to be run again when',
    '# the ranges change. The other two leave that to Azure, which keeps service tags up to date by itself.',
    '',
    '# 1. Ranges, Azure CLI',
    ...azVariables(hasV6),
    ...rules.map(formatAz),
    '',
    '# 2. Ranges, Az PowerShell',
    ...formatPowerShell(rules, hasV6),
    '',
    '# 3. Service tags, Azure CLI',
    ...azVariables(false),
    ...byName.map(formatAz),
    '',
    '# 4. Service tags, Az PowerShell',
    ...formatPowerShell(byName, false),
    '',
  ].join('\n');
}

/** A rule's name may be of letters, digits, dots, hyphens and underscores, and ends with none of the middle two. */
function nameOf(tag: string): string {
  return `allow-proxy-${tag}`.slice(0, maxNameLength).replace(/[.-]+$/, '');
}

function azVariables(hasV6: boolean): readonly string[] {
  const own = ["GROUP='my-resource-group'", "NSG='NSG-lockdown'", "FROM='10.0.0.5/32'"];
  return hasV6 ? [...own, "FROM6='fd00::5/128'"] : own;
}

function formatAz({ name, priority, family, prefixes }: NsgRule): string {
  return [
    `az network nsg rule create -g "$GROUP" --nsg-name "$NSG" -n '${name}' --priority ${priority}`,
    `  --direction Outbound --access Allow --protocol Tcp --source-address-prefixes "$FROM${family === 6 ? '6' : ''}"`,
    '  --source-port-ranges "*" --destination-port-ranges 443 --destination-address-prefixes',
    ...inLines(prefixes).map((line) => `  ${line.join(' ')}`),
  ].join(' \\\n');
}

function formatPowerShell(rules: readonly NsgRule[], hasV6: boolean): readonly string[] {
  return [
    "$from = '10.0.0.5/32'",
    ...(hasV6 ? ["$from6 = 'fd00::5/128'"] : []),
    "$nsg = Get-AzNetworkSecurityGroup -ResourceGroupName 'my-resource-group' -Name 'NSG-lockdown'",
    ...rules.map(formatRuleConfig),
    '$nsg | Set-AzNetworkSecurityGroup',
  ];
}

function formatRuleConfig({ name, priority, family, prefixes }: NsgRule): string {
  const lines = inLines(prefixes).map((line) => `  ${line.map((prefix) => `'${prefix}'`).join(', ')}`);
  return [
    `$nsg | Add-AzNetworkSecurityRuleConfig -Name '${name}' -Priority ${priority} -Direction Outbound -Access Allow \``,
    `  -Protocol Tcp -SourceAddressPrefix $from${family === 6 ? '6' : ''} -SourcePortRange '*' -DestinationPortRange 443 \``,
    `  -DestinationAddressPrefix @(\n${lines.join(',\n')}) | Out-Null`,
  ].join('\n');
}

/** Six prefixes a line keep a rule of thousands readable, and a difference between two runs small. */
function inLines(prefixes: readonly string[]): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(prefixes.length / 6) }, (_, at) => prefixes.slice(at * 6, at * 6 + 6));
}
