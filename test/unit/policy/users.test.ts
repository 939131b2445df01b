/** The users file as text: what is read, and what each fault says of its place and its repair. */
import { describe, expect, it } from 'vitest';
import { formatFault } from '../../../src/errors.ts';
import { parseUsers } from '../../../src/policy/users.ts';
import { readHashForm } from '../../../src/policy/users-hash.ts';

const bcrypt = `$2b$10$${'a'.repeat(53)}`;
const sha512 = `$6$saltstring$${'x'.repeat(86)}`;
const sha256 = `$5$rounds=8000$salt$${'x'.repeat(43)}`;
const apr1 = `$apr1$abcdefgh$${'x'.repeat(22)}`;
const findings = (text: string): readonly string[] => parseUsers(text, 'users').findings.map(formatFault);

describe('a password hash is read for its form', () => {
  it.each([
    [bcrypt, { kind: 'bcrypt', work: 10 }],
    [bcrypt.replace('$2b$10', '$2a$04'), { kind: 'bcrypt', work: 4 }],
    [bcrypt.replace('$2b$10', '$2y$15'), { kind: 'bcrypt', work: 15 }],
    [sha512, { kind: 'sha512-crypt', work: 5000 }],
    [sha256, { kind: 'sha256-crypt', work: 8000 }],
    [sha512.replace('$6$', '$6$rounds=10$'), { kind: 'sha512-crypt', work: 1000 }],
    [apr1, { kind: 'apr1', work: 1000 }],
  ])('%s', (stored, form) => {
    expect(readHashForm(stored)).toEqual({ ok: true, value: form });
  });

  it.each([
    ['', 'no password hash'],
    ['secret', 'a password in plain text'],
    ['{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'an unsalted SHA-1 hash'],
    ['{SSHA}abcdef', 'a hash of a kind that is not read'],
    ['rl.3StKT.4T8M', 'a DES crypt hash or a password in plain text'],
    ['$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/', 'a hash of a kind that is not read (`$1$`)'],
    ['$y$j9T$abc$def', 'a hash of a kind that is not read (`$y$`)'],
    ['$argon2id$v=19$m=1', 'a hash of a kind that is not read (`$argon2id$`)'],
    [bcrypt.replace('$2b', '$2x'), 'bcrypt of the faulty kind `$2x$`'],
    [bcrypt.slice(0, -1), 'a bcrypt hash that is cut off or misspelt (60 characters)'],
    [`${bcrypt}a`, 'a bcrypt hash that is cut off or misspelt (60 characters)'],
    [bcrypt.replace('$10$', '$16$'), 'bcrypt with cost 16: it has to lie in 4 to 15'],
    [bcrypt.replace('$10$', '$03$'), 'bcrypt with cost 3: it has to lie in 4 to 15'],
    [sha512.slice(0, -1), 'a crypt hash that is cut off or misspelt'],
    [sha512.replace('$6$', '$6$rounds=0100$'), 'a crypt hash that is cut off or misspelt'],
    [sha512.replace('$6$', '$6$rounds=2000000$'), 'sha512-crypt with rounds 2000000: it has to lie in 1000 to 1000000'],
  ])('%j is refused', (stored, message) => {
    expect(readHashForm(stored)).toEqual({ ok: false, message });
  });
});

describe('the users of a file', () => {
  it('are its lines, without comments, blank lines, further fields and line ends of Windows', () => {
    const text = `\ufeff# staff\r\n\r\nann:${bcrypt}\r\nbob:${sha512}:Bob B.\n   # indented\nZoé:${sha256}\n`;
    const { users, lines } = parseUsers(text, 'users');
    expect([...users.hashes]).toEqual([
      ['ann', bcrypt],
      ['bob', sha512],
      ['Zoé', sha256],
    ]);
    expect(lines.map(({ name, line }) => `${line} ${name}`)).toEqual(['3 ann', '4 bob', '6 Zoé']);
    expect(findings(text)).toEqual([]);
  });

  it('are those without fault where others have one', () => {
    const { users } = parseUsers(`ann:secret\nbob:${bcrypt}\n`, 'users');
    expect([...users.hashes.keys()]).toEqual(['bob']);
  });

  it('have a decoy as costly as most of them', () => {
    const decoyOf = (text: string) => readHashForm(parseUsers(text, 'users').users.decoy);
    expect(decoyOf(`a:${bcrypt}\nb:${bcrypt}\nc:${sha512}\n`)).toMatchObject({ value: { kind: 'bcrypt', work: 10 } });
    expect(decoyOf(`a:${sha256}\n`)).toMatchObject({ value: { kind: 'sha256-crypt', work: 8000 } });
    expect(decoyOf(`a:${apr1}\n`)).toMatchObject({ value: { kind: 'apr1' } });
    expect(decoyOf('')).toMatchObject({ value: { kind: 'bcrypt', work: 10 } });
  });
});

describe('each fault says its place and the command that repairs it', () => {
  it.each([
    [`ann:secret\n`, ['users:1:5: user `ann`: a password in plain text; run `lockdown-proxy users add ann`']],
    [`#\nbo;b:{SHA}x\n`, ["users:2:6: user `bo;b`: an unsalted SHA-1 hash; run `lockdown-proxy users add 'bo;b'`"]],
    ['hunter2\n', ['users:1:1: no colon; a line is NAME:HASH, as `lockdown-proxy users add NAME` writes it']],
    [`:${bcrypt}\n`, [expect.stringContaining('users:1:1: no name before the colon')]],
    [`a b:${bcrypt}\n`, [expect.stringContaining('users:1:1: a user name has no blank, comma or colon')]],
    [`a\x1bb:${bcrypt}\n`, [expect.stringContaining('users:1:1: a control character in the name')]],
    [`${'n'.repeat(256)}:${bcrypt}\n`, [expect.stringContaining('a user name has at most 255 bytes')]],
    [`ann:${bcrypt}\nann:${sha512}\n`, ['users:2:1: user `ann` stands in line 1 already; take one line out']],
    ['', ['users:1:1: no user stands in this file; run `lockdown-proxy users add NAME`']],
    ['# nobody\n\n', ['users:1:1: no user stands in this file; run `lockdown-proxy users add NAME`']],
    [`ann:${bcrypt}`, ['users:1:65: no newline at the end: the file may be half written']],
    [`ann:${apr1}\n`, [expect.stringContaining('users:1:5: warning: user `ann`: apr1 (MD5) is soon guessed')]],
    [
      `ann:${bcrypt.replace('$10$', '$05$')}\n`,
      [expect.stringContaining('users:1:5: warning: user `ann`: bcrypt of cost 5 is soon guessed')],
    ],
  ])('%j', (text, messages) => {
    expect(findings(text)).toEqual(messages);
  });

  it('and none repeats what stands behind a colon', () => {
    const text =
      'ann:hunter2\nhunter2\nbob:{SHA}hunter2\ncid:$1$hunter2$x\ndoe:$2b$10$hunter2\n a b:hunter2\nx:hunter2';
    expect(findings(text)).toHaveLength(8);
    expect(findings(text).join('\n')).not.toContain('hunter2');
  });
});
