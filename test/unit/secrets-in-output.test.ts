/** The look through everything that the suite made proxies say: it finds a secret in whatever spelling. */
import { expect, test } from 'vitest';
import { checkOutput } from '../support/check-output.ts';
import { secrets, spellingsOf } from '../support/secrets.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { basic, passwords } from '../support/users.ts';

const line = (field: string): string => `{"event":"access"}\n{"event":"access","hint":"${field}"}\n`;

test.each([
  ['as it is', passwords.ann],
  ['in a Proxy-Authorization field', basic('ann', passwords.ann)],
  ['behind a name of another length', basic('eve', passwords.ann)],
  ['behind a name of a third length', basic('anna', passwords.ann)],
  ['in base64 by itself', Buffer.from(passwords.ann).toString('base64')],
  ['in a URL', encodeURIComponent(passwords.zoé)],
  ['in an escaped log line', 'p\\u00e4ssword\\u20ac'],
  ['in UTF-8', Buffer.from(passwords.zoé).toString('latin1')],
  ['in hexadecimal', Buffer.from(passwords.bob).toString('hex')],
])('a secret %s is found', (_how, text) => {
  using folder = createTempFolder();
  folder.write('1', Buffer.from(line(text), 'latin1'));
  folder.write('2', line('nothing'));
  expect(() => checkOutput(folder.path)).toThrow(/^a secret in what a proxy said:\n\{"event":"access","hint":"[^\n]*$/);
});

test('what is said without a secret passes, and every secret has spellings', () => {
  using folder = createTempFolder();
  folder.write('1', line('wrong password'));
  expect(() => checkOutput(folder.path)).not.toThrow();
  for (const secret of secrets) expect(spellingsOf(secret).length).toBeGreaterThan(3);
});
