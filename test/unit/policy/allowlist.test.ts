import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../../../src/address/ip.ts';
import type { Prefix } from '../../../src/address/ip.ts';
import { parseAllowlist } from '../../../src/policy/allowlist.ts';
import type { AllowlistOptions } from '../../../src/policy/allowlist.ts';
import type { Rule } from '../../../src/policy/rule.ts';

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

function parse(text: string, options: Partial<AllowlistOptions> = {}) {
  const groups = new Map([['servers', [prefix('10.1.2.0/24'), prefix('10.1.4.0/24')]]]);
  return parseAllowlist(text, { file: 'list.txt', groups, knownTags: null, usersConfigured: false, ...options });
}

/** The one rule of a line that must be without fault. */
function ruleOf(line: string, options: Partial<AllowlistOptions> = {}): Rule {
  const { rules, faults } = parse(`${line}\n`, options);
  expect(faults.filter(({ severity }) => severity === 'fault')).toEqual([]);
  expect(rules).toHaveLength(1);
  return rules[0]!;
}

function findings(text: string, severity: 'fault' | 'warning' | 'note', options: Partial<AllowlistOptions> = {}) {
  return parse(text, options)
    .faults.filter((fault) => fault.severity === severity)
    .map(({ line, column, message }) => `${line}:${column}: ${message}`);
}

const any = { tunnel: 'any', forward: 'any' };
const tunnel443 = { tunnel: [443], forward: [] };
const both443 = { tunnel: [443], forward: [443] };

describe('a TARGET covers the ports and kinds that the grammar says', () => {
  it.each([
    ['https://h.example', tunnel443],
    ['https://h.example:8443', { tunnel: [8443], forward: [] }],
    ['https://h.example:80', { tunnel: [80], forward: [] }],
    ['http://h.example', { tunnel: [], forward: [80] }],
    ['http://h.example:8080', { tunnel: [], forward: [8080] }],
    ['h.example', tunnel443],
    ['h.example:80,443', { tunnel: [443], forward: [80] }],
    ['h.example:8443,80,443,443', { tunnel: [443, 8443], forward: [80] }],
    ['h.example:80', { tunnel: [], forward: [80] }],
    ['tag:AzureBackup', both443],
    ['tag:AzureBackup:80,443', { tunnel: [80, 443], forward: [80, 443] }],
    ['ip:10.0.0.0/8', both443],
    ['10.0.0.0/8', both443],
    ['10.1.2.3:80', { tunnel: [80], forward: [80] }],
    ['ip:10.0.0.0/8:443,8443', { tunnel: [443, 8443], forward: [443, 8443] }],
    ['ip:[2603::/16]:8443', { tunnel: [8443], forward: [8443] }],
    ['2603::/16', both443],
    ['https://10.1.2.3', tunnel443],
    ['deny h.example', any],
    ['deny https://h.example', any],
    ['deny http://h.example', any],
    ['deny http://h.example:80', { tunnel: [], forward: [80] }],
    ['deny https://h.example:443', tunnel443],
    ['deny http://h.example/a', { tunnel: [], forward: [80] }],
    ['deny h.example:443', tunnel443],
    ['deny ip:10.0.0.0/8', any],
    ['deny tag:Storage', any],
    ['deny ip:10.0.0.0/8:443', both443],
  ])('%s', (line, scope) => {
    expect(ruleOf(line).scope).toEqual(scope);
    expect(ruleOf(line).deny).toBe(line.startsWith('deny'));
  });
});

describe('a HOST means the names that the grammar says', () => {
  it.each([
    ['h.example', { type: 'exact', name: 'h.example' }],
    ['*.h.example', { type: 'under', name: 'h.example' }],
    ['https://*.h.example', { type: 'under', name: 'h.example' }],
    ['.h.example', { type: 'at_or_under', name: 'h.example' }],
    ['md-*.blob.storage.azure.net', { type: 'first_label', before: 'md-', after: '', name: 'blob.storage.azure.net' }],
    ['a*-rec.backup.example', { type: 'first_label', before: 'a', after: '-rec', name: 'backup.example' }],
    ['xn--bcher-kva.example', { type: 'exact', name: 'xn--bcher-kva.example' }],
  ])('%s', (line, host) => {
    expect(ruleOf(line).pattern).toEqual({ type: 'host', host });
  });

  it('an address is judged by address, whichever way it is written', () => {
    for (const line of ['10.1.2.3', 'ip:10.1.2.3/32', 'https://10.1.2.3', 'ip:[::ffff:10.1.2.3]:443']) {
      expect(ruleOf(line).pattern).toEqual({ type: 'prefix', prefix: prefix('10.1.2.3') });
    }
    expect(ruleOf('https://[2603:1030::1]').pattern).toEqual({ type: 'prefix', prefix: prefix('2603:1030::1') });
  });
});

describe('a path belongs to plain http', () => {
  it.each([
    ['http://h.example/a/B', { text: '/a/B', prefix: false }],
    ['http://h.example/a/*', { text: '/a/', prefix: true }],
    ['http://h.example:8080/a*', { text: '/a', prefix: true }],
    ['http://h.example/', null],
    ['http://h.example', null],
  ])('%s', (line, path) => {
    expect(ruleOf(line).path).toEqual(path);
  });
});

describe('clauses narrow a rule', () => {
  it('`within` holds tags and prefixes', () => {
    expect(ruleOf('h.example within tag:Storage,ip:10.1.0.0/16').within).toEqual([
      { type: 'tag', tag: 'Storage' },
      { type: 'prefix', prefix: prefix('10.1.0.0/16') },
    ]);
  });

  it('`from` holds prefixes and the prefixes of groups', () => {
    const { from } = ruleOf('h.example from 10.9.0.0/16,@servers');
    expect(from?.prefixes).toEqual([prefix('10.9.0.0/16'), prefix('10.1.2.0/24'), prefix('10.1.4.0/24')]);
  });

  it('`user` names users once there are any, and is a fault until then', () => {
    expect(ruleOf('h.example user ann,bob', { usersConfigured: true }).users).toEqual(['ann', 'bob']);
    expect(findings('h.example user ann\n', 'fault')).toEqual([
      '1:11: `user` needs `auth.usersFile` in the configuration',
    ]);
  });

  it('a rule without clauses has none', () => {
    expect(ruleOf('h.example')).toMatchObject({ within: null, from: null, users: null, tlsOff: false });
    expect(ruleOf('h.example tls off').tlsOff).toBe(true);
  });

  it('all of them stand in one line, in order', () => {
    const line = 'h.example within ip:10.1.0.0/16 from @servers user ann tls off';
    expect(ruleOf(line, { usersConfigured: true }).text).toBe(line);
  });
});

describe('what is plain to see is set right with a note', () => {
  it.each([
    ['Login.Example.COM', '1:1: read as `login.example.com` (lower case)'],
    ['login.example.com.', '1:1: read as `login.example.com` (no trailing dot)'],
    ['https://login.example.com/', '1:1: read as `https://login.example.com` (no trailing slash)'],
    ['HTTP://h.example/Path', '1:1: read as `http://h.example/Path` (lower case)'],
    ['10.0.0.0/8/', '1:1: read as `ip:10.0.0.0/8` (no trailing slash)'],
    ['DENY h.example', '1:6: read as `deny h.example` (lower case)'],
    ['h.example\tTLS\toff', '1:1: read as `h.example tls off` (lower case, no tabs)'],
  ])('%j', (line, note) => {
    expect(findings(`${line}\n`, 'note')).toEqual([note]);
  });

  it('a byte order mark and CRLF leave lines and columns right', () => {
    const text = '\uFEFF# pasted\r\nhttps://a.example\r\nhttps://b.example/x\r\n';
    expect(findings(text, 'note')).toEqual(['1:1: byte order mark left out', '1:9: lines end in CRLF; read as LF']);
    expect(findings(text, 'fault')).toEqual([expect.stringMatching(/^3:18: /)]);
    expect(parse(text).rules.map(({ line, text: rule }) => `${line} ${rule}`)).toEqual(['2 https://a.example']);
  });

  it('the same rule twice is one rule, however it is spelled', () => {
    const text = 'h.example\nhttps://H.example:443\ntag:Storage\ntag:storage:443\n10.0.0.1\nip:10.0.0.1/32\n';
    const { rules, faults } = parse(text);
    expect(rules.map(({ line }) => line)).toEqual([1, 3, 5]);
    const told = faults.filter(({ message }) => message.includes('already')).map(({ message }) => message);
    expect(told).toEqual([
      '`https://h.example` stands in line 1 already; left out',
      '`tag:storage` stands in line 3 already; left out',
      '`ip:10.0.0.1` stands in line 5 already; left out',
    ]);
  });

  it('rules that differ in a clause, a path or a user name are not the same', () => {
    const lines = ['h.example', 'h.example tls off', 'http://h.example/a', 'http://h.example/A', 'deny h.example'];
    expect(parse(`${lines.join('\n')}\n`).rules.map(({ text }) => text)).toEqual(lines);
  });
});

describe('the normal form of a file', () => {
  it('keeps comments, blank lines and lines at fault', () => {
    const text =
      '\uFEFF# top  \r\n\r\nHTTPS://A.example./\t# why\nb.example   from  10.1.2.3   # spaced\n*.net\nB.example:443\n';
    const fixed = '# top\n\nhttps://a.example # why\nb.example from 10.1.2.3   # spaced\n*.net\nb.example\n';
    expect(parse(text).fixed).toBe(fixed);
  });

  it('drops a rule that stands twice, but not its comment', () => {
    expect(parse('a.example\na.example\na.example # again\nb.example\n').fixed).toBe('a.example\n# again\nb.example\n');
  });

  it('is its own normal form', () => {
    const text = 'deny  X.example\nip:[2603::/16]:443\nhttps://h.example:443  # c\n\n# end\ntag:Storage:443,80\n';
    const once = parse(text).fixed;
    expect(once).toBe('deny x.example\nip:2603::/16\nhttps://h.example  # c\n\n# end\ntag:Storage:80,443\n');
    expect(parse(once).fixed).toBe(once);
  });

  it('never ends a file that may be half written', () => {
    expect(parse('a.example\nb.exam').fixed).toBe('a.example\nb.exam');
  });
});

it('a list as Microsoft prints it is read line by line', () => {
  const pasted = ['https://*.backup.windowsazure.com', '.blob.core.windows.net', 'https://login.microsoftonline.com/'];
  const { rules, faults } = parse(`${pasted.join('\r\n')}\r\n`);
  expect(faults.filter(({ severity }) => severity === 'fault')).toEqual([]);
  expect(rules.map(({ pattern }) => (pattern.type === 'host' ? pattern.host.type : null))).toEqual([
    'under',
    'at_or_under',
    'exact',
  ]);
});
