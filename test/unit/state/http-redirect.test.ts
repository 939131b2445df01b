import { describe, expect, it } from 'vitest';
import { followRedirect, haveOneOwner, placeOf } from '../../../src/state/http-redirect.ts';

describe('two hosts have one owner', () => {
  it.each([
    ['www.microsoft.com', 'download.microsoft.com', true],
    ['download.microsoft.com', 'download.microsoft.com', true],
    ['microsoft.com', 'download.microsoft.com', true],
    ['www.microsoft.com', 'microsoft.com.evil.example', false],
    ['www.microsoft.com', 'evilmicrosoft.com', false],
    ['files.example.co.uk', 'www.example.co.uk', true],
    ['files.example.co.uk', 'evil.co.uk', false],
    ['files.example.com.au', 'other.com.au', false],
    ['mine.blob.core.windows.net', 'mine.blob.core.windows.net', true],
    ['mine.blob.core.windows.net', 'other.blob.core.windows.net', false],
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '11.0.0.1', false],
    ['[::1]', '[::2]', false],
    ['localhost', 'localhost', true],
    ['intranet', 'extranet', false],
  ])('%s and %s: %s', (a, b, answer) => {
    expect(haveOneOwner(a, b)).toBe(answer);
    expect(haveOneOwner(b, a)).toBe(answer);
  });
});

describe('a redirect', () => {
  const from = 'https://www.microsoft.com/page?x=1';
  it.each([
    ['/other', 'https://www.microsoft.com/other'],
    ['//download.microsoft.com/f', 'https://download.microsoft.com/f'],
    ['https://download.microsoft.com:8443/f?y=2#part', 'https://download.microsoft.com:8443/f?y=2'],
  ])('to %s is followed', (location, url) => {
    expect(followRedirect(from, location, [from], 5)).toEqual({ ok: true, value: url });
  });

  it.each([
    [null, 'not to a URL'],
    ['http://www.microsoft.com/page', 'which is not https'],
    ['http://127.0.0.1/page', 'which is not https'],
    ['https://127.0.0.1/page', "another owner's host"],
    ['https://169.254.169.254/metadata', "another owner's host"],
    ['https://www.microsoft.com.evil.example/', "another owner's host"],
    ['https://www.microsoft.com@evil.example/', 'with a password in its URL'],
    ['javascript:alert(1)', 'which is not https'],
    [from, 'in a circle'],
  ])('to %s is refused', (location, why) => {
    expect(followRedirect(from, location, [from], 5)).toEqual({ ok: false, message: expect.stringContaining(why) });
  });
});

it('a place shows nothing of what may be a credential', () => {
  expect(placeOf('https://u:p@a.example:8443/path/f.json?sig=secret#x')).toBe('https://a.example:8443/path/f.json');
});
