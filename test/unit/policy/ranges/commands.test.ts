import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

import { runRangesDiff } from '../../../../src/cli/ranges-diff.ts';
import { runRangesExport } from '../../../../src/cli/ranges-export.ts';
import { runRangesFind } from '../../../../src/cli/ranges-find.ts';
import { runRangesList } from '../../../../src/cli/ranges-list.ts';
import { formatCompact } from '../../../../src/policy/ranges/compact.ts';
import { createTempFolder } from '../../../support/temp-folder.ts';
import { contents, read, serviceTags } from './published.ts';

const document = read(serviceTags());

/** What a command printed, and what it gave. */
function run(command: (streams: { out(text: string): void; err(text: string): void }) => number) {
  let [out, err] = ['', ''];
  const code = command({ out: (text) => void (out += text), err: (text) => void (err += text) });
  return { code, out, err };
}

describe('`ranges list`', () => {
  test('prints one published prefix a line', () => {
    const { code, out } = run((streams) => runRangesList({ document, tag: 'storage', json: false, ...streams }));
    expect([code, out]).toEqual([0, contents['Storage']!.map((prefix) => `${prefix}\n`).join('')]);
  });

  test('as JSON says what else is known of the tag', () => {
    const { out } = run((streams) => runRangesList({ document, tag: 'STORAGE.WESTEUROPE', json: true, ...streams }));
    const prefixes = contents['Storage.WestEurope'];
    expect(JSON.parse(out)).toEqual({ tag: 'Storage.WestEurope', region: 'westeurope', service: 'Storage', prefixes });
  });

  test('names the nearest tags where none has the name', () => {
    const { code, out, err } = run((streams) => runRangesList({ document, tag: 'Storag', json: false, ...streams }));
    expect([code, out, err]).toEqual([1, '', 'lockdown-proxy: unknown tag "Storag"; did you mean `Storage`?\n']);
  });
});

describe('`ranges find`', () => {
  test('prints a tag a line with the prefixes that hold the address', () => {
    const { code, out } = run((streams) => runRangesFind({ document, address: '20.60.27.1', json: false, ...streams }));
    expect([code, out]).toEqual([0, 'Storage             20.60.0.0/16\nStorage.WestEurope  20.60.26.0/23\n']);
  });

  test.each([
    ['20.60.27.1', { tags: ['Storage', 'Storage.WestEurope'], prefixes: ['20.60.0.0/16', '20.60.26.0/23'] }],
    ['2a01:111:f403:c200::1', { tags: ['AzureCloud.centralfrance'], prefixes: ['2a01:111:f403:c200::/64'] }],
    ['8.8.8.8', { tags: [], prefixes: [] }],
  ])('as JSON gives the tags and the prefixes of %s', (address, expected) => {
    const { code, out } = run((streams) => runRangesFind({ document, address, json: true, ...streams }));
    expect([code, JSON.parse(out)]).toEqual([0, expected]);
  });

  test('says that no tag holds an address, and refuses what is none', () => {
    expect(run((streams) => runRangesFind({ document, address: '::1', json: false, ...streams }))).toEqual({
      code: 0,
      out: 'No tag holds ::1.\n',
      err: '',
    });
    const { code, out, err } = run((streams) => runRangesFind({ document, address: '8.8', json: true, ...streams }));
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^lockdown-proxy: not an IP address: "8.8", write it like 20.60.0.1 or 2603:1030::1\n$/);
  });
});

describe('`ranges diff`', () => {
  const folder = createTempFolder();
  afterAll(() => folder.remove());
  const old = folder.write('ServiceTags_Public_20250908.json', serviceTags());
  const { AzureBackup, ...others } = contents;
  const changed = { ...others, Storage: ['20.60.0.0/16', '20.151.0.0/17', '2603:1030:a:b::/64'], New: AzureBackup! };
  const next = folder.write(
    'new.txt',
    formatCompact({ ...read(serviceTags(changed)), changeNumber: 376, date: '2025-10-28' }),
  );

  test('reads like a changelog, across formats', () => {
    const { code, out } = run((streams) => runRangesDiff({ old, next, json: false, ...streams }));
    expect([code, out.split('\n')]).toEqual([
      0,
      [
        'Old: Public, 2025-09-08, change number 375, 4 tags',
        'New: Public, 2025-10-28, change number 376, 4 tags',
        '',
        'Tags added: 1',
        '  + New (2 prefixes)',
        '',
        'Tags removed: 1',
        '  - AzureBackup (2 prefixes)',
        '',
        'Tags changed: 1',
        '  Storage: 1 added, 1 removed',
        '    + 20.151.0.0/17',
        '    - 20.150.0.0/17',
        '',
      ],
    ]);
  });

  test('as JSON has both headings and every prefix', () => {
    const { out } = run((streams) => runRangesDiff({ old, next, json: true, ...streams }));
    expect(JSON.parse(out)).toEqual({
      old: { cloud: 'Public', changeNumber: 375, date: '2025-09-08', tags: 4 },
      new: { cloud: 'Public', changeNumber: 376, date: '2025-10-28', tags: 4 },
      added: [{ tag: 'New', prefixes: AzureBackup }],
      removed: [{ tag: 'AzureBackup', prefixes: AzureBackup }],
      changed: [{ tag: 'Storage', added: ['20.151.0.0/17'], removed: ['20.150.0.0/17'] }],
    });
  });

  test('says that nothing changed', () => {
    const { code, out } = run((streams) => runRangesDiff({ old, next: old, json: false, ...streams }));
    expect([code, out]).toEqual([0, expect.stringContaining('\n\nNo tag and no prefix changed.\n')]);
  });

  test('names each file that cannot be read, and why', () => {
    const bad = folder.write('bad.json', '{"values": [');
    const missing = join(folder.path, 'missing.json');
    const { code, out, err } = run((streams) => runRangesDiff({ old: bad, next: missing, json: false, ...streams }));
    expect([code, out]).toEqual([1, '']);
    const lines = err.trimEnd().split('\n');
    expect(lines[0]).toBe(`lockdown-proxy: ${bad}: Cut short: the JSON breaks off at line 1, column 13`);
    expect(lines[1]).toMatch(/^lockdown-proxy: there is no such file \(.*missing\.json\)$/);
    expect(lines).toHaveLength(2);
  });
});

describe('`ranges export`', () => {
  const aggregated = ['20.60.0.0/16', '20.150.0.0/17', '2603:1020:206:1::/64', '2603:1030:a:b::/64'];
  const given = { document, tags: ['storage', 'Storage.WestEurope', 'STORAGE'], json: false };

  test('text is one prefix a line, aggregated over the tags', () => {
    const { code, out } = run((streams) => runRangesExport({ ...given, format: 'text', ...streams }));
    expect([code, out]).toEqual([0, aggregated.map((prefix) => `${prefix}\n`).join('')]);
  });

  test.each([{ format: 'json' }, { format: 'nsg', json: true }])('%j is one object', (options) => {
    const { code, out } = run((streams) => runRangesExport({ ...given, ...options, ...streams }));
    const tags = ['Storage', 'Storage.WestEurope'];
    const expected = { cloud: 'Public', changeNumber: 375, date: null, tags, prefixes: aggregated };
    expect([code, JSON.parse(out)]).toEqual([0, expected]);
  });

  test('several formats come one behind the other', () => {
    const { out } = run((streams) => runRangesExport({ ...given, format: 'text,nsg', ...streams }));
    expect(out).toMatch(/^20\.60\.0\.0\/16\n[^#]*\n# Take one of[^]*\naz network nsg rule create /);
  });

  test('a tag or format that is not known prints nothing but why', () => {
    const options = { ...given, tags: ['Storage', 'AzureBackups'], format: 'text,xml' };
    expect(run((streams) => runRangesExport({ ...options, ...streams }))).toEqual({
      code: 1,
      out: '',
      err:
        'lockdown-proxy: unknown format "xml"; one of nsg, json, text\n' +
        'lockdown-proxy: unknown tag "AzureBackups"; did you mean `AzureBackup`?\n',
    });
    expect(run((streams) => runRangesExport({ ...given, tags: [], format: 'text', ...streams }))).toEqual({
      code: 1,
      out: '',
      err: 'lockdown-proxy: name at least one tag: --tag Storage.WestEurope\n',
    });
  });
});
