/** The Proxy-Authorization field: what is read as credentials, and what is refused as no reader could be sure of it. */
import { describe, expect, it } from 'vitest';
import { readCredentials } from '../../../src/message/credentials.ts';

const base64 = (text: string | Uint8Array): string => Buffer.from(text as string).toString('base64');
const read = (...values: readonly string[]) =>
  readCredentials(values.flatMap((value) => ['Proxy-Authorization', value]));

describe('Basic credentials are read', () => {
  it.each([
    ['ann:secret', 'ann', 'secret'],
    ['ann:', 'ann', ''],
    [':secret', '', 'secret'],
    ['ann:se:cr:et', 'ann', 'se:cr:et'],
    ['zoé:pässword€', 'zoé', 'pässword€'],
    ['ann: with blanks ', 'ann', ' with blanks '],
    ['\ufeffann:x', '\ufeffann', 'x'],
  ])('%j', (plain, user, password) => {
    expect(read(`Basic ${base64(plain)}`)).toEqual({ type: 'basic', user, password });
  });

  it.each(['basic', 'BASIC', 'bAsIc'])('under the scheme %s', (scheme) => {
    expect(read(`${scheme} ${base64('a:b')}`)).toEqual({ type: 'basic', user: 'a', password: 'b' });
  });

  it.each(['Basic   ', 'Basic\t', '  Basic '])('with blanks as in %j', (scheme) => {
    expect(read(`${scheme}${base64('a:b')}`)).toMatchObject({ type: 'basic', user: 'a' });
  });

  it('whatever the case of the field name, among other fields', () => {
    const fields = ['Host', 'x', 'PROXY-authorization', `Basic ${base64('a:b')}`, 'Authorization', 'Basic no'];
    expect(readCredentials(fields)).toMatchObject({ type: 'basic', user: 'a' });
  });
});

it('no field is no credentials, and Authorization is the destination’s', () => {
  expect(readCredentials(['Host', 'x', 'Authorization', `Basic ${base64('a:b')}`])).toEqual({ type: 'absent' });
});

describe('another scheme is told by its name and nothing of what it carried', () => {
  it.each([
    ['NTLM TlRMTVNTUAABAAAA', 'NTLM'],
    ['Negotiate YII=', 'Negotiate'],
    ['Digest username="ann", response="secret"', 'Digest'],
    ['Bearer', 'Bearer'],
    [`${'x'.repeat(100)} y`, 'x'.repeat(32)],
  ])('%j', (value, scheme) => {
    expect(read(value)).toEqual({ type: 'other', scheme });
  });
});

describe('what cannot be read for certain is malformed', () => {
  it.each([
    ['', 'Proxy-Authorization without a scheme'],
    ['   ', 'Proxy-Authorization without a scheme'],
    ['"Basic" x', 'Proxy-Authorization without a scheme'],
    ['Basic', 'Credentials not base64'],
    ['Basic ', 'Credentials not base64'],
    ['Basic YW5uOnNlY3JldA', 'Credentials not base64'],
    ['Basic YW5uOnNlY3JldA=', 'Credentials not base64'],
    ['Basic YW5uOnNlY3JldB==', 'Credentials not base64'],
    ['Basic YW5u OnNlY3JldA==', 'Credentials not base64'],
    ['Basic YW5uOnNlY3JldA==;', 'Credentials not base64'],
    ['Basic YW5uOj4-Pj8_', 'Credentials not base64'],
    ['Basic ====', 'Credentials not base64'],
    ['Basic ann:secret', 'Credentials not base64'],
    [`Basic ${base64('no colon here')}`, 'Credentials without colon'],
    [`Basic ${base64('ann:se\0cret')}`, 'Control character in credentials'],
    [`Basic ${base64('a\nnn:secret')}`, 'Control character in credentials'],
    [`Basic ${base64('ann:\x7f')}`, 'Control character in credentials'],
    [`Basic ${base64('ann:\u0085')}`, 'Control character in credentials'],
    [`Basic ${base64(Buffer.from('zo\xe9:x', 'latin1'))}`, 'Credentials not UTF-8'],
    [`Basic ${base64(Buffer.from([0x61, 0x3a, 0xc0, 0xaf]))}`, 'Credentials not UTF-8'],
  ])('%j', (value, phrase) => {
    expect(read(value)).toEqual({ type: 'malformed', status: 400, phrase });
  });

  it('two fields, even if they agree', () => {
    const value = `Basic ${base64('a:b')}`;
    expect(read(value, value)).toMatchObject({ status: 400, phrase: 'Several Proxy-Authorization fields' });
  });
});

describe('what is too long is refused with 431 before it is decoded', () => {
  it.each([
    ['64 KB', `Basic ${base64('a:'.padEnd(48_000, 'x'))}`, 'Credentials too long'],
    ['a field of 4,097 characters', `Basic ${'QUJD'.repeat(1023)}`.padEnd(4097, 'x'), 'Credentials too long'],
    ['a user name of 256 bytes', `Basic ${base64(`${'é'.repeat(128)}:x`)}`, 'User name too long'],
  ])('%s', (_name, value, phrase) => {
    expect(read(value)).toEqual({ type: 'malformed', status: 431, phrase });
  });

  it('a user name of 255 bytes is not', () => {
    expect(read(`Basic ${base64(`${'u'.repeat(255)}:x`)}`)).toMatchObject({ type: 'basic' });
  });
});
