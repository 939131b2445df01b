/** The lists that are shipped: read without a finding, never wider than what they say. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllowlist } from '../../../src/policy/allowlist.ts';
import { rulesOpenToAnyTenant } from '../../../src/policy/lint.ts';
import { wideSuffixes } from '../../../src/policy/shared-suffixes.ts';

const root = join(import.meta.dirname, '../../../allowlist');
const clouds = ['public', 'usgov', 'china'] as const;
const onByDefault = ['azure-backup', 'azure-identity', 'azure-arm', 'certificates'];

function namesIn(cloud: string): string[] {
  return readdirSync(join(root, cloud)).map((file) => file.replace(/\.txt$/, ''));
}

function read(cloud: string, name: string) {
  const text = readFileSync(join(root, cloud, `${name}.txt`), 'utf8');
  const options = { file: name, groups: new Map(), knownTags: null, usersConfigured: false };
  return { text, parsed: parseAllowlist(text, options) };
}

const lists = clouds.flatMap((cloud) => namesIn(cloud).map((name) => [cloud, name] as const));

describe.each(lists)('%s/%s', (cloud, name) => {
  const { text, parsed } = read(cloud, name);

  it('is read without a fault, a warning or a note, and is in normal form', () => {
    expect(parsed.faults).toEqual([]);
    expect(parsed.fixed).toBe(text);
    expect(parsed.rules.length).toBeGreaterThan(0);
  });

  it('names no suffix that unrelated services share', () => {
    const suffixes = parsed.rules.map(({ pattern }) =>
      pattern.type === 'host' && pattern.host.type !== 'exact' && pattern.host.type !== 'first_label'
        ? pattern.host.name
        : null,
    );
    expect(suffixes.filter((suffix) => suffix !== null && wideSuffixes.includes(suffix))).toEqual([]);
  });

  it('opens names on ports 80 and 443 alone, and storage never over plain http', () => {
    for (const { pattern, scope } of parsed.rules) {
      expect(pattern.type).toBe('host');
      expect([scope.tunnel, scope.forward].flat().filter((port) => port !== 443 && port !== 80)).toEqual([]);
      expect(scope.tunnel).not.toContain(80);
    }
    const plainStorage = rulesOpenToAnyTenant(parsed.rules).filter(({ scope }) => scope.forward.length > 0);
    expect(plainStorage).toEqual([]);
  });

  it('keeps to what a reader takes in at once', () => {
    expect(text.split('\n').every((line) => line.length <= 120)).toBe(true);
    expect(text).toMatch(/^# .*\n/);
    expect(text).not.toMatch(/[^\x20-\x7e\n]/);
  });
});

describe.each(clouds)('%s', (cloud) => {
  it('has the lists that are on by default', () => {
    expect(namesIn(cloud)).toEqual(expect.arrayContaining(onByDefault));
  });

  it('lets data out to any tenant through the storage of azure-backup alone', () => {
    const open = namesIn(cloud).filter((name) => rulesOpenToAnyTenant(read(cloud, name).parsed.rules).length > 0);
    expect(open).toEqual(['azure-backup']);
  });

  it('offers accounts by name and plain-http storage as comments', () => {
    const { text } = read(cloud, 'azure-backup');
    expect(text).toMatch(/^# myaccount\.blob\.core\./m);
    expect(text).toMatch(/^# http:\/\/\*\.blob\.core\./m);
  });

  it('names nothing of another cloud where data goes', () => {
    const foreign = {
      public: /\.usgovcloudapi\.net|\.chinacloudapi\.cn|\.azure\.(us|cn)|windowsazure\.(us|cn)/,
      usgov: /\.windows\.net|\.chinacloudapi\.cn|\.azure\.(com|cn)|windowsazure\.(com|cn)/,
      china: /\.windows\.net|\.usgovcloudapi\.net|\.azure\.(com|us)|windowsazure\.(com|us)/,
    }[cloud];
    const rules = namesIn(cloud).flatMap((name) => read(cloud, name).parsed.rules);
    expect(rules.map(({ text }) => text).filter((text) => foreign.test(text))).toEqual([]);
  });
});

it.each([
  ['public', 'azure-backup', '*.backup.windowsazure.com'],
  ['public', 'azure-backup', '*.blob.core.windows.net'],
  ['public', 'azure-backup', '*.blob.storage.azure.net'],
  ['public', 'azure-identity', 'login.microsoftonline.com'],
  ['public', 'azure-arm', 'management.azure.com'],
  ['public', 'certificates', 'http://crl3.digicert.com'],
  ['usgov', 'azure-backup', '*.backup.windowsazure.us'],
  ['usgov', 'azure-identity', 'login.microsoftonline.us'],
  ['usgov', 'azure-arm', 'management.usgovcloudapi.net'],
  ['china', 'azure-backup', '*.backup.windowsazure.cn'],
  ['china', 'azure-identity', 'login.chinacloudapi.cn'],
  ['china', 'azure-arm', 'management.chinacloudapi.cn'],
])('%s/%s has %s', (cloud, name, rule) => {
  expect(read(cloud, name).parsed.rules.map(({ text }) => text)).toContain(rule);
});

it('every list is described in the README of the folder', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const missing = [...new Set(lists.map(([, name]) => name))].filter(
    (name) => !new RegExp(`^\\| \`${name}\` +\\|`, 'm').test(readme),
  );
  expect(missing).toEqual([]);
});
