import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../../../src/address/ip.ts';
import type { Prefix } from '../../../src/address/ip.ts';
import { parseAllowlist } from '../../../src/policy/allowlist.ts';
import type { AllowlistOptions } from '../../../src/policy/allowlist.ts';

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.value;
}

function parse(text: string, options: Partial<AllowlistOptions> = {}) {
  const groups = new Map([['servers', [prefix('10.1.2.0/24'), prefix('10.1.4.0/24')]]]);
  return parseAllowlist(text, { file: 'list.txt', groups, knownTags: null, usersConfigured: false, ...options });
}

function findings(text: string, severity: 'fault' | 'warning' | 'note', options: Partial<AllowlistOptions> = {}) {
  return parse(text, options)
    .faults.filter((fault) => fault.severity === severity)
    .map(({ line, column, message }) => `${line}:${column}: ${message}`);
}

describe('a fault says where it is and what to write', () => {
  it.each([
    ['https://a.example/x', 18, 'inside the tunnel and cannot be judged; write `https://a.example`'],
    ['https://a.example:8443?x', 23, 'write `https://a.example:8443`'],
    ['a.example/x', 10, 'write `http://a.example/x`'],
    ['bücher.example', 2, 'write `xn--bcher-kva.example`'],
    ['https://bücher.example', 10, 'write `xn--bcher-kva.example`'],
    ['http://a.example/ü', 18, 'percent-encode'],
    ['ip:10.1.2.3/8', 4, '10.0.0.0/8'],
    ['10.1.2.3/8', 1, '10.0.0.0/8'],
    ['*blob.core.windows.net', 1, 'write `*.blob.core.windows.net`'],
    ['*disk.storage.azure.net', 1, 'write `*.disk.storage.azure.net`'],
    ['md-*blob.storage.azure.net', 4, 'write `md-*.blob.storage.azure.net`'],
    ['https://*backup.windowsazure.com', 9, 'write `*.backup.windowsazure.com`'],
    ['*', 1, 'every name'],
    ['*.', 1, 'every name'],
    ['.', 1, 'every name'],
    ['*.net', 3, '`*.example.net`'],
    ['*.net.', 3, '`*.example.net`'],
    ['.net', 2, '`*.example.net`'],
    ['foo*.com', 6, 'everybody'],
    ['*windows.net', 1, 'write `*.windows.net`'],
    ['a*', 2, 'write `a*.example.com`'],
    ['a*b*.example.com', 4, 'one `*` a name'],
    ['*.*.example.com', 3, 'one `*` a name'],
    ['www.*.example.com', 5, 'write `*.example.com`'],
    ['a.example..', 11, 'one dot at most'],
    ['ftp://a.example', 1, 'unknown scheme `ftp://`'],
    ['cidr:10.0.0.0/8', 1, 'unknown `cidr:`'],
    ['a.example:80-443', 11, 'write each port, as in `80,443`'],
    ['a.example:0', 11, '1 to 65535'],
    ['a.example:65536', 11, '1 to 65535'],
    ['a.example:443,+80', 15, '1 to 65535'],
    ['a.example:0443', 11, '1 to 65535'],
    ['a.example:', 11, '1 to 65535'],
    ['https://a.example:80,443', 19, 'one port after a URL'],
    ['http://a.example/a*b', 19, 'at the end of a path'],
    ['http://a.example/a/../b', 17, 'write `/b`'],
    ['http://a.example/a?sig=x', 19, 'without it'],
    ['ip:2603::/16:443', 4, '`ip:[2603::/16]:443`'],
    ['tag:', 5, '`tag:AzureBackup`'],
    ['tag:Storage:x', 13, '1 to 65535'],
    ['deny', 1, 'write `deny HOST`'],
    ['allow a.example', 1, 'without `allow`'],
    ['a.example b.example', 11, 'a line of its own'],
    ['a.example form 10.0.0.0/8', 11, 'did you mean `from`?'],
    ['a.example from @server', 16, 'did you mean `servers`?'],
    ['a.example from servers', 16, 'write `@servers`'],
    ['a.example from', 11, 'needs a list'],
    ['a.example from 10.0.0.0/8,', 27, 'comma'],
    ['a.example from 10.0.0.0/8, 10.1.0.0/16', 28, 'write `from 10.0.0.0/8,10.1.0.0/16`'],
    ['a.example from 10.0.0.0/8,10.1.2.3/16', 27, '10.1.0.0/16'],
    ['a.example within 10.0.0.0/8', 18, 'write `ip:10.0.0.0/8`'],
    ['a.example within tag:Storage:443', 18, 'without ports'],
    ['a.example from 10.0.0.0/8 from 10.1.0.0/16', 27, 'stands twice'],
    ['a.example from 10.0.0.0/8 within tag:Storage', 27, 'write `within tag:Storage from 10.0.0.0/8`'],
    ['a.example tls', 11, 'write `tls off`'],
    ['a.example tls on', 15, 'write `tls off`'],
    ['2130706433', 1, 'Not an IP prefix'],
    ['0x7f.1', 1, 'Malformed'],
    ['  https://a.example/x', 20, 'inside the tunnel'],
  ])('%s', (line, column, message) => {
    const { rules, faults } = parse(`# first\n${line}\n`);
    expect(rules).toEqual([]);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ file: 'list.txt', line: 2, column, severity: 'fault' });
    expect(faults[0]!.message).toContain(message);
  });

  it('a password in a rule is not repeated', () => {
    for (const line of ['https://u:hunter2@a.example', 'u:hunter2@a.example', 'u:hunter2@a.example:443']) {
      const [message] = findings(`${line}\n`, 'fault');
      expect(message).toContain('user and password do not belong');
      expect(message).not.toContain('hunter2');
    }
  });

  it('every line is read, whatever is wrong with those before it, and every clause of a line', () => {
    const lines = ['*', 'a.example from @none within x', 'b.example', 'https://c.example/d'];
    expect(findings(`${lines.join('\n')}\n`, 'fault').map((text) => text.split(' ')[0])).toEqual([
      '1:1:',
      '2:16:',
      '2:22:',
      '2:29:',
      '4:18:',
    ]);
  });

  it('control characters are no text: NUL of UTF-16, a lone carriage return, an escape', () => {
    expect(findings('a.example\0\nb.exam\rple\n# \u001b[2J\n', 'fault')).toEqual([
      expect.stringMatching(/^1:10: character U\+0000/),
      expect.stringMatching(/^2:7: character U\+000D/),
      expect.stringMatching(/^3:3: character U\+001B/),
    ]);
  });
});

describe('a file that may be half written is a fault', () => {
  it.each([
    ['', '1:1: the file is empty'],
    ['\n \n', '1:1: the file is empty'],
    ['\uFEFF', '1:1: the file is empty'],
    ['a.example\nb.exam', '2:7: no newline at the end'],
    ['# only a comment', '1:17: no newline at the end'],
  ])('%j', (text, message) => {
    expect(findings(text, 'fault')).toEqual([expect.stringContaining(message)]);
  });

  it('a file of comments is whole, and said to allow nothing', () => {
    expect(findings('# nothing yet\n', 'fault')).toEqual([]);
    expect(findings('# nothing yet\n', 'warning')).toEqual(['1:1: no rule in this file: it allows nothing']);
  });
});
