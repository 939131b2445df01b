/** `deploy/nsg/nsg.sh`, run against a stand-in for az. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AzState } from '../../support/az-stand-in.ts';
import { open, tight } from '../../support/nsg-rules.ts';
import type { TempFolder } from '../../support/temp-folder.ts';
import { createTempFolder } from '../../support/temp-folder.ts';

const folder = resolve(import.meta.dirname, '../../../deploy/nsg');
const standIn = resolve(import.meta.dirname, '../../support/az-stand-in.ts');
const given = ['-g', 'rg', '--proxy', '10.0.0.5'];

let place: TempFolder;
beforeEach(() => {
  place = createTempFolder();
  const az = `#!/bin/sh\nexec '${process.execPath}' '${standIn}' '${place.path}/state.json' "$@"\n`;
  spawnSync('install', ['-m', '755', place.write('az.sh', az), join(place.path, 'az')]);
});
afterEach(() => place.remove());

function run(argv: readonly string[], path = `${place.path}:${process.env['PATH']}`) {
  const done = spawnSync('bash', [join(folder, 'nsg.sh'), ...argv], { encoding: 'utf8', env: { PATH: path } });
  return { out: done.stdout, told: done.stderr, status: done.status };
}

const stateOf = (): AzState => JSON.parse(place.read('state.json')) as AzState;
const plant = (state: Partial<AzState>) => place.write('state.json', JSON.stringify(state));
/** The rules as they stand, each on a line. */
const rulesNow = (): readonly string[] =>
  Object.values(stateOf().groups['NSG-lockdown'] ?? {}).map((rule) => {
    const ports = rule.destinationPortRange ?? rule.destinationPortRanges.join(' ');
    return `${rule.name} ${rule.priority} ${rule.direction} ${rule.access} ${rule.protocol} ${rule.sourceAddressPrefix} ${rule.destinationAddressPrefix} ${ports}`;
  });

describe('nsg.sh', () => {
  test('makes the group and its rules, and a second run changes nothing', () => {
    expect(run(given)).toMatchObject({ status: 0, out: expect.stringMatching(/\ndone: 3 commands\n$/) as string });
    expect(rulesNow()).toEqual(open);
    const { calls } = stateOf();
    expect(run(given).out).toMatch(
      /^as it should be: the group NSG-lockdown\n(as it should be: \S+\n){2}nothing to change\n$/,
    );
    expect(stateOf().calls).toEqual(calls);
  });

  test('lets out to two ports, never to a range', () => {
    run(given);
    expect(stateOf().groups['NSG-lockdown']?.['allow-proxy-internet']?.destinationPortRanges).toEqual(['80', '443']);
  });

  test('--tight: a rule a tag, said with what it costs; each way replaces the other', () => {
    run(given);
    const tightened = run([...given, '--tight']);
    expect(tightened.out).toContain('set ranges: { source: discovery } on the proxy');
    expect(new Set(rulesNow())).toEqual(new Set(tight));
    expect(run([...given, '--tight']).out).toContain('nothing to change');
    run(given);
    expect(new Set(rulesNow())).toEqual(new Set(open));
  });

  test('--tags: others, regional ones too', () => {
    run([...given, '--tight', '--tags', 'Storage.WestEurope AzureBackup.WestEurope']);
    expect(rulesNow().slice(0, 2)).toEqual([
      'allow-proxy-storage-westeurope 201 Outbound Allow Tcp 10.0.0.5/32 Storage.WestEurope 443',
      'allow-proxy-azurebackup-westeurope 202 Outbound Allow Tcp 10.0.0.5/32 AzureBackup.WestEurope 443',
    ]);
  });

  test('tags in another order, fewer or more: no two rules ever share a priority', () => {
    const tagged = (tags: string) => [...given, '--tight', '--tags', tags];
    const priorities = () => rulesNow().map((rule) => rule.split(' ').slice(0, 2).join(' '));
    run(tagged('Storage AzureBackup Sql'));
    const { calls } = stateOf();
    expect(run([...tagged('AzureBackup Storage'), '--dry-run']).out).toContain('5 commands would be run');
    expect(stateOf().calls).toEqual(calls);
    expect(run(tagged('AzureBackup Storage'))).toMatchObject({
      status: 0,
      told: expect.not.stringContaining('Conflict') as string,
      out: expect.stringContaining('done: 5 commands') as string,
    });
    expect(new Set(priorities())).toEqual(
      new Set(['allow-proxy-azurebackup 201', 'allow-proxy-storage 202', 'deny-internet 4000']),
    );
    expect(run(tagged('AzureBackup Storage')).out).toContain('nothing to change');
  });

  test('from one way to the other the proxy is never without a rule', () => {
    run(given);
    run([...given, '--tight']);
    const verbs = stateOf().calls.map((call) => call.split(' ').slice(3, 4).join());
    expect(verbs.slice(3)).toEqual(['create', 'create', 'create', 'create', 'delete']);
  });

  test('a priority that another rule has taken is told before anything is changed', () => {
    run(given);
    const state = stateOf();
    const rules = state.groups['NSG-lockdown'] ?? {};
    const [rule] = Object.values(rules);
    if (rule) rules['theirs'] = { ...rule, name: 'theirs', priority: 202 };
    plant(state);
    expect(run([...given, '--tight'])).toMatchObject({
      status: 1,
      told: 'nsg.sh: the rule theirs has priority 202, which allow-proxy-azurebackup needs: give it another; nothing was changed\n',
    });
    expect(stateOf()).toEqual(state);
  });

  test('a resource group that is not there is told, in a dry run too', () => {
    plant({ resourceGroups: ['other'] });
    for (const argv of [given, [...given, '--dry-run']]) {
      expect(run(argv)).toMatchObject({
        status: 1,
        out: '',
        told: expect.stringMatching(/^nsg\.sh: .*'rg' could not be found\..*az group create/) as string,
      });
    }
  });

  test('a run that failed half way is completed by the next, and a rule that was changed is put right', () => {
    plant({ refuses: 'network nsg rule' });
    const failed = run(given);
    expect(failed.status).toBe(1);
    expect(failed.told).toMatch(/nsg\.sh: az network nsg rule: ERROR: \(AuthorizationFailed\)/);
    plant({ ...stateOf(), refuses: null });
    expect(run(given).status).toBe(0);
    const state = stateOf();
    const [rule] = Object.values(state.groups['NSG-lockdown'] ?? {});
    Object.assign(rule ?? {}, { destinationPortRange: '80-443', destinationPortRanges: [] });
    plant(state);
    expect(run(given).out).toContain(
      'az network nsg rule update -g rg --nsg-name NSG-lockdown -n allow-proxy-internet',
    );
    expect(rulesNow()).toEqual(open);
  });

  test('--dry-run prints the commands and changes nothing, with az and without', () => {
    plant({});
    const before = place.read('state.json');
    const { out } = run([...given, '--dry-run', '-l', 'westeurope']);
    expect(place.read('state.json')).toBe(before);
    expect(out).toContain('az network nsg create -g rg -n NSG-lockdown --location westeurope\n');
    expect(out).toContain('3 commands would be run; nothing was changed (--dry-run)\n');
    const bare = createTempFolder();
    for (const tool of ['bash', 'grep', 'mktemp', 'rm', 'sed', 'tail', 'tr', 'cat']) {
      spawnSync('bash', ['-c', `ln -s "$(command -v ${tool})" '${bare.path}'`]);
    }
    const without = run([...given, '--dry-run', '-l', 'westeurope'], bare.path);
    expect(without.out).toBe(out);
    expect(run(given, bare.path)).toMatchObject({
      status: 1,
      told: 'nsg.sh: the az CLI is not here: install azure-cli, or run this in Azure Cloud Shell; nothing was changed\n',
    });
    bare.remove();
  });

  test('puts the group on a subnet, and warns of what leaves a way out there', () => {
    const id = (name: string) => ({ id: `/subscriptions/s/x/${name}` });
    plant({
      subnets: { 'vnet/apps': { networkSecurityGroup: id('old-group'), routeTable: id('to-firewall') } },
      peerings: [{ name: 'hub' }],
      groups: { 'NSG-lockdown': {} },
    });
    run(given);
    const state = stateOf();
    const rules = state.groups['NSG-lockdown'] ?? {};
    const [rule] = Object.values(rules);
    if (rule) rules['wide'] = { ...rule, name: 'wide', priority: 300, destinationAddressPrefix: '*' };
    plant(state);
    const { told, status } = run([...given, '--subnet', 'vnet/apps']);
    expect(status).toBe(0);
    expect(told).toContain('warning: vnet/apps has the group old-group, which NSG-lockdown replaces\n');
    expect(told).toContain('warning: the rule wide (300) lets out to * before deny-internet (4000) comes');
    expect(told).toContain('warning: AllowVnetOutBound (65000) stays');
    expect(told).toContain('warning: vnet/apps has the route table to-firewall');
    expect(told).toContain('warning: vnet is peered: hub;');
    expect(stateOf().subnets['vnet/apps']?.networkSecurityGroup?.id).toMatch(/NSG-lockdown$/);
    expect(stateOf().subnets['vnet/apps']?.routeTable).toEqual(id('to-firewall'));
    expect(run([...given, '--subnet', 'vnet/apps']).out).toContain('as it should be: NSG-lockdown on vnet/apps\n');
  });

  test('a subnet that is not there is told before anything is changed', () => {
    plant({ subnets: { 'vnet/apps': {} } });
    const before = place.read('state.json');
    expect(run([...given, '--subnet', 'vnet/app'])).toMatchObject({
      status: 1,
      out: '',
      told: 'nsg.sh: --subnet: there is no vnet/app in the resource group rg; nothing was changed\n',
    });
    expect(place.read('state.json')).toBe(before);
  });

  test('asks to log in', () => {
    plant({ loggedIn: false });
    expect(run(given)).toMatchObject({
      status: 1,
      told: expect.stringMatching(/^nsg\.sh: az is not logged in: run az login/) as string,
    });
  });

  test.each([
    [['-g', 'rg'], '--proxy: give the private address of the proxy VM'],
    [['--proxy', '10.0.0.5'], '--resource-group: name the resource group'],
    [['-g', 'rg', '--proxy', '52.1.2.3'], '--proxy: 52.1.2.3 is no private IPv4 address'],
    [['-g', 'rg', '--proxy', '10.0.0.5.6'], '--proxy: 10.0.0.5.6 is no private IPv4 address'],
    [['-g', 'rg', '--proxy', 'http://10.0.0.5:3128'], '--proxy: http://10.0.0.5:3128 is no private IPv4 address'],
    [[...given, '--subnet', 'apps'], '--subnet: write VNET/SUBNET; got apps'],
    [[...given, '--tight', '--tags', 'Storage;x'], '--tags: Storage;x is no service tag'],
    [[...given, '--tight', '--tags', ' '], '--tags: name at least one service tag'],
    [[...given, '--force'], 'unknown argument: --force\nusage: '],
    [['-g'], '-g: a value is missing'],
  ])('%j is wrong usage', (argv, told) => {
    const done = run(argv);
    expect(done.status).toBe(2);
    expect(done.told).toContain(`nsg.sh: ${told}`);
    expect(existsSync(join(place.path, 'state.json'))).toBe(false);
  });
});
