import { describe, expect, test } from 'vitest';

import { formatCompact } from '../../../../src/policy/ranges/compact.ts';
import { maxDocumentLength } from '../../../../src/policy/ranges/parse.ts';
import { legacyXml, read, refusal, serviceTags } from './published.ts';

const json = serviceTags();
const xml = legacyXml({ europewest: ['13.69.0.0/17'], asiaeast: ['20.36.64.0/19'] });
const compact = formatCompact(read(json));
const value = (fields: object) =>
  JSON.stringify({ changeNumber: 1, cloud: 'Public', values: [{ name: 'A', properties: fields }] });

describe('a text that is no document is refused in one line that says what it is', () => {
  test.each([
    ['nothing', '', 'Empty: no ranges in it'],
    ['white space', ' \r\n\t\n', 'Empty: no ranges in it'],
    [
      'a page',
      '<!DOCTYPE html>\n<html><title>Sign in\n to \u202eContoso</title>',
      'Line 1: an HTML page, not ranges; its title is "Sign in\\n to \\u202eContoso"',
    ],
    ['a page without title', '\n<HTML><body>', 'Line 1: an HTML page, not ranges'],
    ['an XHTML page', '<?xml version="1.0"?><!-- x --><html xmlns="a">', 'Line 1: an HTML page, not ranges'],
    ['a sentence', 'Not Found', 'Line 1: neither JSON, XML nor prefixes: "Not Found"'],
    ['control characters', '\u001b[2J\u009b', 'Line 1: neither JSON, XML nor prefixes: "\\u001b[2J\\u009b"'],
    ['a list', '[1]', 'Line 1: neither JSON, XML nor prefixes: "[1]"'],
    ['too much', ' '.repeat(maxDocumentLength + 1), 'Too large: 67108865 characters, at most 67108864 are read'],
  ])('%s', (_, text, message) => {
    expect(refusal(text)).toBe(message);
  });
});

test('texts made to be slow are refused as quickly as others', () => {
  const hostile = [
    '<!-- a -->'.repeat(400),
    `{"values":${'['.repeat(300_000)}`,
    `{"values":${'[]'.repeat(100_000)}`,
    `<AzurePublicIpAddresses ${Array.from({ length: 20_000 }, (_, at) => `a${at}=""`).join(' ')}`,
    `<AzurePublicIpAddresses>${'<Region Name="a">'.repeat(100_000)}`,
    `# tag: ${' '.repeat(300_000)}a`,
    `20.1.0.0/16\n${' '.repeat(300_000)}#`,
    `1${'0'.repeat(300_000)}`,
    `::/${'1'.repeat(300_000)}`,
  ];
  const start = performance.now();
  for (const text of hostile) expect(refusal(text)).toMatch(/^[\x20-\x7e]{1,300}$/);
  expect(performance.now() - start).toBeLessThan(5000);
});

describe('JSON with a fault is refused with its place', () => {
  test.each(
    [
      ['{}', 'values: expected a list of tags, found nothing'],
      ['{"values": {}}', 'values: expected a list of tags, found an object'],
      ['{"values": []}', 'No prefix in the whole document'],
      ['{"values": [3]}', 'values[0]: expected a tag, found 3'],
      ['{"values": [{}]}', 'values[0].name: expected a text, found nothing'],
      ['{"values": [{"name": "A"}]}', 'values[0] "A".properties: expected an object, found nothing'],
      ['{"values": [], "changeNumber": NaN}', 'Not JSON at line 1, column 32: "NaN}"'],
      ['{"values": [],\n "cloud": Public}', 'Not JSON at line 2, column 11: "Public}"'],
      ['{"a": x}', 'Not JSON at line 1, column 7: "x}"'],
      ['{"values": [],,}', 'Not JSON at line 1, column 15: ",}"'],
      ['{"values": [], "changeNumber": 1.5}', 'changeNumber: expected a whole number, found 1.5'],
      ['{"values": [], "changeNumber": -1}', 'changeNumber: expected a whole number, found -1'],
      ['{"values": [], "changeNumber": 1e400}', 'changeNumber: expected a whole number, found Infinity'],
      ['{"values": [], "changeNumber": "NaN"}', 'changeNumber: expected a whole number, found "NaN"'],
      ['{"values": [], "changeNumber": true}', 'changeNumber: expected a whole number, found true'],
      ['{"values": [], "cloud": 7}', 'cloud: expected a name, found 7'],
      ['{"values": [], "cloud": "\\u0007"}', 'cloud: expected a name, found "\\u0007"'],
      ['{"values": [], "nextLink": 7}', 'nextLink: expected a link, found 7'],
      [
        value({ addressPrefixes: '20.1.0.0/16' }),
        'values[0] "A".addressPrefixes: expected a list, found "20.1.0.0/16"',
      ],
      [value({}), 'values[0] "A".addressPrefixes: expected a list, found nothing'],
      [
        value({ addressPrefixes: ['20.1.0.0/16', null] }),
        'values[0] "A".addressPrefixes[1]: expected a text, found null',
      ],
      [
        value({ addressPrefixes: ['20.1.0.0/8'] }),
        'values[0] "A".addressPrefixes[0]: "20.1.0.0/8": Host bits are set, write 20.0.0.0/8',
      ],
      [
        value({ addressPrefixes: ['20.1.0.0'] }),
        'values[0] "A".addressPrefixes[0]: "20.1.0.0": No length, write 20.1.0.0/32',
      ],
      [
        value({ addressPrefixes: ['2603::1'] }),
        'values[0] "A".addressPrefixes[0]: "2603::1": No length, write 2603::1/128',
      ],
      [
        value({ addressPrefixes: ['20.1.0.0/33'] }),
        'values[0] "A".addressPrefixes[0]: "20.1.0.0/33": Prefix length must be a number from 0 to 32',
      ],
      [value({ addressPrefixes: [], region: 5 }), 'values[0] "A".region: expected a text, found 5'],
      [
        value({ addressPrefixes: [], systemService: {} }),
        'values[0] "A".systemService: expected a text, found an object',
      ],
      [
        serviceTags({ Storage: ['20.1.0.0/16'], STORAGE: ['20.2.0.0/16'] }),
        'values[1].name: Tag "STORAGE" is there twice',
      ],
      [serviceTags({ 'A; rm -rf /': ['20.1.0.0/16'] }), 'values[0].name: Not a tag name: "A; rm -rf /"'],
      [serviceTags({ ['A'.repeat(129)]: [] }), `values[0].name: Not a tag name: "${'A'.repeat(60)}..."`],
      [serviceTags({ A: [], B: [] }), 'No prefix in the whole document'],
    ].map(([text = '', message = '']) => ({ text, message })),
  )('$message', ({ text, message }) => {
    expect(refusal(text)).toBe(message);
  });
});

describe('the legacy XML with a fault is refused with its line', () => {
  const inRegion = (inner: string) =>
    `<AzurePublicIpAddresses>\n<Region Name="a">${inner}</Region></AzurePublicIpAddresses>`;
  test.each([
    [
      'a document type',
      '<!DOCTYPE lolz [<!ENTITY lol "lol">]>\n<AzurePublicIpAddresses/>',
      'Line 1: a document type has no place here',
    ],
    ['an entity', inRegion('\n<IpRange Subnet="&lol;"/>'), 'Line 3: not XML: "undefined entity."'],
    [
      'host bits',
      inRegion('<IpRange Subnet="13.69.0.1/17"/>'),
      'Line 2: "13.69.0.1/17": Host bits are set, write 13.69.0.0/17',
    ],
    ['another root', '<rss/>', 'Line 1: unexpected element "rss"'],
    ['another element', inRegion('<Range/>'), 'Line 2: unexpected element "AzurePublicIpAddresses/Region/Range"'],
    ['no subnet', inRegion('<IpRange/>'), 'Line 2: IpRange without a Subnet'],
    ['no name', '<AzurePublicIpAddresses><Region/></AzurePublicIpAddresses>', 'Line 1: Region without a Name'],
    [
      'a region twice',
      legacyXml({ a: ['20.1.0.0/16'] }).replace('</Azure', '<Region Name="A"/></Azure'),
      'Line 6: Tag "A" is there twice',
    ],
    ['no region', '<AzurePublicIpAddresses/>', 'No prefix in the whole document'],
    ['a stray tag', `${xml}</x>`, 'not XML'],
  ])('%s', (_, text, message) => {
    expect(refusal(text)).toContain(message);
  });
});

describe('lines with a fault are refused with their number', () => {
  test.each([
    ['20.1.0.0/16\n20.1.0.0\n', 'Line 2: "20.1.0.0": No length, write 20.1.0.0/32'],
    ['20.1.0.0/16\n20.2.0.0/16', 'Line 2: cut short, the last line has no newline'],
    ['20.1.0.0/16\n\nhello\n', 'Line 3: "hello": Not an IP prefix, write it like 10.1.0.0/16 or 2001:db8::/32'],
    ['# tag: A B\n20.1.0.0/16\n', 'Line 1: Not a tag name: "A B"'],
    ['# tag: A\n20.1.0.0/16\n# tag: a\n', 'Line 3: Tag "a" is there twice'],
    ['20.1.0.0/16\n# tag: ranges\n', 'Line 2: Tag "ranges" is there twice'],
    ['# nothing\n', 'No prefix in the whole document'],
    ['# lockdown-proxy ranges 2\n[A]\n20.1.0.0/16\n# end: 1 tags, 1 prefixes\n', 'Line 2: "[A]": Not an IP prefix'],
    [
      '# lockdown-proxy ranges 1\n20.1.0.0/16\n# end: 1 tags, 1 prefixes\n',
      'Line 2: a prefix above the first [Tag] line',
    ],
    ['# lockdown-proxy ranges 1\n[A] zone=3\n# end: 1 tags, 0 prefixes\n', 'Line 2: not a [Tag] line: "[A] zone=3"'],
    [compact.replace('20.60.0.0/16\n', ''), 'expected "# end: 4 tags, 7 prefixes", found "# end: 4 tags, 8 prefixes"'],
    [compact.replace('number: 375', 'number: x'), 'change number: not a number: "x"'],
    [compact.replace('# date:', '# date: today'), 'date: not YYYY-MM-DD: "today"'],
  ])('%j', (text, message) => {
    expect(refusal(text)).toContain(message);
  });
});

describe('a download that broke off is refused as such, wherever it did', () => {
  test.each([
    ['Service Tags JSON', json],
    ['Service Tags JSON on one line', JSON.stringify(JSON.parse(json))],
    ['Service Tags JSON with CRLF', json.replaceAll('\n', '\r\n')],
    ['legacy XML', xml],
  ])('%s', (_, text) => {
    for (let length = 1; length < text.trimEnd().length; length++) {
      expect(refusal(text.slice(0, length)), `at ${length}`).toMatch(/^(?:Cut short|Line \d+: cut short)/);
    }
  });

  test('the compact form', () => {
    for (let length = 1; length < compact.trimEnd().length; length++) {
      expect(refusal(compact.slice(0, length)), `at ${length}`).not.toBeNull();
    }
    expect(refusal(compact.slice(0, -20))).toMatch(
      /^Line 22: cut short or changed: expected "# end: 4 tags, 8 prefixes"/,
    );
  });
});
