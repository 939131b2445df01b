/**
 * A stand-in for the az CLI, as a program: `az-stand-in.ts STATE ARGUMENT..`. It keeps groups, rules and subnets in the
 * file STATE as Azure shows them, records every call that changes something, and answers `--query` by JMESPath.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { search } from '@jmespath-community/jmespath';

export interface AzState {
  loggedIn: boolean;
  /** Groups by name, each with its rules by name. */
  groups: Record<string, Record<string, AzRule>>;
  /** `VNET/SUBNET` to what is on it. */
  subnets: Record<string, { networkSecurityGroup?: { id: string }; routeTable?: { id: string } }>;
  peerings: { name: string }[];
  /** Calls that changed something, oldest first. */
  calls: string[];
  /** A call that begins with this fails, as it does where a right is missing. */
  refuses: string | null;
  /** The resource groups that are there; all of them where it is null. */
  resourceGroups: readonly string[] | null;
}

interface AzRule {
  name: string;
  priority: number;
  direction: string;
  access: string;
  protocol: string;
  sourceAddressPrefix: string | null;
  sourceAddressPrefixes: readonly string[];
  destinationAddressPrefix: string | null;
  destinationAddressPrefixes: readonly string[];
  destinationPortRange: string | null;
  destinationPortRanges: readonly string[];
}

const fresh: AzState = {
  loggedIn: true,
  groups: {},
  subnets: {},
  peerings: [],
  calls: [],
  refuses: null,
  resourceGroups: null,
};
const [, , file = '', ...argv] = process.argv;
const state: AzState = existsSync(file)
  ? { ...fresh, ...(JSON.parse(readFileSync(file, 'utf8')) as Partial<AzState>) }
  : fresh;

/** The words before the first option, and every option with its values. */
const at = argv.findIndex((word) => word.startsWith('-'));
const command = argv.slice(0, at < 0 ? argv.length : at).join(' ');
const options = new Map<string, string[]>();
let current: string[] = [];
for (const word of at < 0 ? [] : argv.slice(at)) {
  if (/^--?[a-z]/.test(word)) options.set(word, (current = []));
  else current.push(word);
}
const option = (...names: readonly string[]): string => names.flatMap((name) => options.get(name) ?? [])[0] ?? '';

function die(message: string, code = 3): never {
  process.stderr.write(`ERROR: ${message}\n`);
  process.exit(code);
}

/** One value stands by itself, several in a list: Azure shows them so. */
const single = (values: readonly string[]) => (values.length === 1 ? (values[0] ?? null) : null);
const plural = (values: readonly string[]) => (values.length === 1 ? [] : values);

function perform(): unknown {
  if (!state.loggedIn) die("Please run 'az login' to setup account.", 1);
  const place = option('-g');
  if (place !== '' && state.resourceGroups?.includes(place) === false)
    die(`(ResourceGroupNotFound) Resource group '${place}' could not be found.`);
  const rules = state.groups[option('--nsg-name')];
  const missing = (what: string): never => die(`(ResourceNotFound) The Resource '${what}' was not found.`);
  switch (command) {
    case 'account show':
      return { name: 'test' };
    case 'network nsg show':
      return state.groups[option('-n')] ? { name: option('-n') } : missing(option('-n'));
    case 'network nsg create':
      return void (state.groups[option('-n')] = {});
    case 'network nsg rule show':
      return rules?.[option('-n')] ?? missing(option('-n'));
    case 'network nsg rule list':
      return Object.values(rules ?? missing(option('--nsg-name')));
    case 'network nsg rule create':
    case 'network nsg rule update': {
      if (!rules) return missing(option('--nsg-name'));
      const [from, to, ports] = [
        '--source-address-prefixes',
        '--destination-address-prefixes',
        '--destination-port-ranges',
      ].map((name) => options.get(name) ?? []) as [string[], string[], string[]];
      const twin = Object.values(rules).find(
        (rule) =>
          rule.name !== option('-n') &&
          rule.priority === Number(option('--priority')) &&
          rule.direction === option('--direction'),
      );
      if (twin)
        die(
          `(SecurityRuleConflict) Security rule ${option('-n')} conflicts with ${twin.name}: same priority, direction.`,
          1,
        );
      return void (rules[option('-n')] = {
        name: option('-n'),
        priority: Number(option('--priority')),
        direction: option('--direction'),
        access: option('--access'),
        protocol: option('--protocol'),
        sourceAddressPrefix: single(from),
        sourceAddressPrefixes: plural(from),
        destinationAddressPrefix: single(to),
        destinationAddressPrefixes: plural(to),
        destinationPortRange: single(ports),
        destinationPortRanges: plural(ports),
      });
    }
    case 'network nsg rule delete':
      return void delete rules?.[option('-n')];
    case 'network vnet subnet show':
      return {
        name: option('-n'),
        ...(state.subnets[`${option('--vnet-name')}/${option('-n')}`] ?? missing(option('-n'))),
      };
    case 'network vnet subnet update':
      return void (state.subnets[`${option('--vnet-name')}/${option('-n')}`] = {
        ...state.subnets[`${option('--vnet-name')}/${option('-n')}`],
        networkSecurityGroup: { id: `/subscriptions/s/networkSecurityGroups/${option('--network-security-group')}` },
      });
    case 'network vnet peering list':
      return state.peerings;
    default:
      return die(`'${command}' is not understood`, 2);
  }
}

/** As `--output tsv` prints: a row a line, the values of a list of values each on its own. */
function toTsv(value: unknown): string {
  const cell = (one: unknown): string => (one === null || one === undefined ? 'None' : `${one as string | number}`);
  if (value === null || value === undefined) return '';
  if (!Array.isArray(value)) return `${cell(value)}\n`;
  return value.map((row: unknown) => `${Array.isArray(row) ? row.map(cell).join('\t') : cell(row)}\n`).join('');
}

if (state.refuses !== null && command.startsWith(state.refuses))
  die('(AuthorizationFailed) The client does not have authorization.', 1);
const isChange = /(create|update|delete)$/.test(command);
if (isChange) state.calls.push(argv.join(' '));
const result = perform();
if (isChange) writeFileSync(file, JSON.stringify(state));
else if (option('--output') === 'tsv') process.stdout.write(toTsv(search(result as never, option('--query'))));
