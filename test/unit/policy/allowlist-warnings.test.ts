import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../../../src/address/ip.ts';
import { parseAllowlist } from '../../../src/policy/allowlist.ts';
import { rulesOpenToAnyTenant, warnOfRules } from '../../../src/policy/lint.ts';
import { nearest } from '../../../src/policy/nearest.ts';

function parse(lines: readonly string[], knownTags: ReadonlySet<string> | null = null) {
  const text = lines.map((line) => `${line}\n`).join('');
  return parseAllowlist(text, { file: 'list.txt', groups: new Map([['none', []]]), knownTags, usersConfigured: false });
}

function warnings(lines: readonly string[], knownTags: ReadonlySet<string> | null = null): readonly string[] {
  return parse(lines, knownTags)
    .faults.filter(({ severity }) => severity === 'warning')
    .map(({ line, message }) => `${line}: ${message}`);
}

function together(lines: readonly string[], lifted: readonly string[] = []): readonly string[] {
  const prefixes = lifted.flatMap((text) => {
    const prefix = parsePrefix(text);
    return prefix.ok ? [prefix.value] : [];
  });
  return warnOfRules(parse(lines).rules, prefixes).map(({ rule, message }) => `${rule.line}: ${message}`);
}

describe('one rule brings a warning', () => {
  it.each([
    ['*.core.windows.net', 'unrelated services share `core.windows.net`'],
    ['.windows.net', 'unrelated services share `windows.net`'],
    ['*.core.usgovcloudapi.net', 'unrelated services share'],
    ['*.core.chinacloudapi.cn', 'unrelated services share'],
    ['ip:0.0.0.0/0', 'most of the internet'],
    ['ip:169.254.169.254', 'can never match: 169.254.169.254 is always refused'],
    ['ip:168.63.129.16:80', 'can never match: 168.63.129.16 is always refused'],
    ['ip:224.0.0.0/4', 'can never match'],
    ['ip:10.0.0.0/8 within ip:11.0.0.0/8', 'have no address in common'],
    ['h.example within ip:169.254.0.0/16', 'every prefix of its `within` is always refused'],
    ['h.example from @none', 'holds no client'],
    ['deny h.example tls off', '`tls off` does nothing on a `deny`'],
    ['http://h.example tls off', '`tls off` does nothing for plain http'],
    ['deny https://h.example', 'to refuse CONNECT alone write the port: `deny https://h.example:443`'],
    ['deny http://h.example', 'to refuse plain http alone write the port: `deny http://h.example:80`'],
  ])('%s', (line, message) => {
    expect(warnings([line])).toEqual([expect.stringContaining(message)]);
  });

  it.each([
    'h.example',
    '*.blob.core.windows.net',
    'windows.net',
    'deny *.core.windows.net',
    'deny h.example',
    'deny https://h.example:443',
    'ip:10.0.0.0/8 within ip:10.1.0.0/16',
    'h.example tls off',
    'ip:128.0.0.0/8',
  ])('%s brings none', (line) => {
    expect(warnings([line])).toEqual([]);
  });
});

describe('a tag that the ranges do not hold', () => {
  const known = new Set(['azurebackup', 'storage', 'storage.westeurope']);

  it('is a warning with the nearest names', () => {
    expect(warnings(['tag:AzureBakup'], known)).toEqual([expect.stringContaining('did you mean `azurebackup`?')]);
    expect(warnings(['h.example within tag:Storag'], known)).toEqual([expect.stringContaining('`storage`')]);
  });

  it('is compared without regard to case', () => {
    expect(warnings(['tag:AzureBackup', 'tag:STORAGE.westeurope'], known)).toEqual([]);
  });

  it('brings one warning a file while there are no ranges', () => {
    expect(warnings(['h.example', 'tag:Storage', 'tag:AzureBackup'])).toEqual([
      expect.stringMatching(/^2: `tag:Storage` matches nothing: .*every tag in the file/),
    ]);
  });
});

describe('rules are seen together', () => {
  it.each([
    ['deny *.example.com', 'a.example.com', 'https://b.a.example.com', 'md-*.example.com', '*.x.example.com'],
    ['deny .example.com', 'example.com', '*.example.com', 'http://a.example.com/x'],
    ['deny md-*.example.com', 'md-1.example.com', 'md-a*.example.com'],
    ['deny ip:20.0.0.0/8', '20.1.2.3', 'ip:20.1.0.0/16'],
    ['deny tag:Storage', 'tag:storage:8443'],
    ['deny http://h.example/a*', 'http://h.example/abc'],
  ])('%s leaves nothing of what it covers', (deny, ...allows) => {
    for (const allow of allows) {
      expect(together([allow, deny])).toEqual([
        expect.stringMatching(/^1: this rule can never match: `deny .*list\.txt:2/),
      ]);
    }
  });

  it.each([
    ['deny *.example.com', 'example.com'],
    ['deny a.example.com', '*.example.com'],
    ['deny md-*.example.com', 'md-1.a.example.com'],
    ['deny example.com:443', 'example.com:80,443'],
    ['deny example.com from 10.0.0.0/8', 'example.com'],
    ['deny http://h.example/a', 'http://h.example'],
    ['deny http://h.example/a', 'http://h.example/abc'],
  ])('%s leaves something of %s', (deny, allow) => {
    expect(together([allow, deny])).toEqual([]);
  });

  it('of two denies the one that adds nothing is named', () => {
    expect(together(['deny a.example.com', 'deny *.example.com'])).toEqual([
      '1: this rule adds nothing: `deny *.example.com` (list.txt:2) covers it',
    ]);
  });

  it('a denied name beside rules by address stays reachable by address', () => {
    expect(together(['tag:Storage', 'ip:20.0.0.0/8', 'deny evil.blob.core.windows.net'])).toEqual([
      '3: a denied name stays reachable by its address through `tag:Storage` (list.txt:1) and 1 more; deny its prefix as well',
    ]);
    expect(together(['h.example', 'deny evil.example'])).toEqual([]);
  });

  it('a rule for a private address does nothing until the address is lifted', () => {
    const message = '1: private and loopback addresses stay refused until `privateDestinations` names them';
    expect(together(['ip:10.1.0.0/16'])).toEqual([message]);
    expect(together(['127.0.0.1'])).toEqual([message]);
    expect(together(['ip:10.1.0.0/16'], ['10.1.2.0/24'])).toEqual([]);
    expect(together(['ip:10.1.0.0/16 within ip:10.1.0.0/16'])).toEqual([]);
    expect(together(['ip:20.1.0.0/16'])).toEqual([]);
  });
});

describe('what lets data out to any tenant', () => {
  it.each([
    '*.blob.core.windows.net',
    '.queue.core.windows.net',
    'https://*.table.core.usgovcloudapi.net',
    '*.file.core.chinacloudapi.cn',
    '*.dfs.core.windows.net',
    'md-*.blob.storage.azure.net',
    '*.z27.blob.storage.azure.net',
    '*.disk.storage.azure.net',
    '*.core.windows.net',
    '*.windows.net',
    'acc*.blob.core.windows.net',
    'tag:Storage.WestEurope',
    'tag:AzureCloud',
    '*.blob.core.windows.net within tag:Storage',
    'ip:0.0.0.0/0',
  ])('%s', (line) => {
    expect(rulesOpenToAnyTenant(parse([line]).rules).map(({ text }) => text)).toEqual([line]);
  });

  it.each([
    'account.blob.core.windows.net',
    '*.account.blob.core.windows.net',
    '*.backup.windowsazure.com',
    'login.microsoftonline.com',
    '*.blob.core.windows.net within ip:10.1.0.0/16',
    'deny *.blob.core.windows.net',
    'tag:AzureBackup',
    'ip:20.1.0.0/16',
  ])('%s does not', (line) => {
    expect(rulesOpenToAnyTenant(parse([line]).rules)).toEqual([]);
  });
});

describe('the nearest known words', () => {
  const words = ['azure-backup', 'azure-arm', 'azure-arc', 'ubuntu', 'suse'];

  it.each([
    ['azure-bakup', ['azure-backup']],
    ['AZURE-ARM', ['azure-arm', 'azure-arc']],
    ['ubunto', ['ubuntu']],
    ['something-else', []],
    ['x', []],
  ])('%s: %j', (word, expected) => {
    expect(nearest(word, words)).toEqual(expected);
  });

  it('are at most as many as wanted', () => {
    expect(nearest('azure-ar', words, 1)).toHaveLength(1);
  });
});
