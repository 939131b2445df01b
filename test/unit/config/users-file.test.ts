/** The users file as a part of the configuration: each way in which it cannot be used is a fault of its own. */
import { describe, expect, it } from 'vitest';
import { inspectConfig } from '../../../src/config/load.ts';
import type { LoadOptions } from '../../../src/config/load.ts';
import { formatFault } from '../../../src/errors.ts';
import { userLines } from '../../support/users.ts';

/** Nobody signs in here: the hashes may say a cost that they do not have. */
const lines = userLines.map((line) => line.replace('$04$', '$10$'));
const users = `${lines.join('\n')}\n`;
const listed = 'networks: [10.0.0.0/8]\nallowlist: [rules.txt]\n';

/** Loads a configuration over these files; a name in place of a text is the system's error for the file. */
function load(
  config: string,
  files: Readonly<Record<string, string | { code: string }>>,
  options: Partial<LoadOptions> = {},
) {
  const all: typeof files = { 'c.yaml': listed + config, 'rules.txt': 'h.example\n', ...files };
  const loaded = inspectConfig({
    file: 'c.yaml',
    readFile(path) {
      const file = all[path] ?? { code: 'ENOENT' };
      if (typeof file !== 'string') throw Object.assign(new Error(`${file.code}: ${path}`), file);
      return file;
    },
    listFolder: '/lists',
    cloud: 'public',
    networks: () => [],
    ...options,
  });
  return { ...loaded, told: loaded.findings.map(formatFault) };
}

const named = 'auth: {usersFile: ./users}\n';

it('users are read from the file beside the configuration', () => {
  const loaded = load(named, { users });
  expect(loaded.told).toEqual([]);
  expect([...(loaded.users?.hashes.keys() ?? [])]).toEqual(['ann', 'bob', 'zoé']);
  expect(loaded.config.auth).toEqual({ requiredFrom: [], usersFile: 'users', realm: 'lockdown-proxy' });
  expect(loaded.sources).toEqual(['c.yaml', 'rules.txt', 'users']);
});

it('without the key there are none', () => {
  const loaded = load('', { users });
  expect(loaded.users).toBeNull();
  expect(loaded.sources).toEqual(['c.yaml', 'rules.txt']);
});

describe('a users file is at fault that', () => {
  it.each([
    ['is not there', { code: 'ENOENT' }, 'c.yaml:3:8: cannot read the users file: there is no such file (users);'],
    ['is a folder', { code: 'EISDIR' }, 'c.yaml:3:8: cannot read the users file: it is a folder; name a file (users);'],
    ['is unreadable', { code: 'EACCES' }, 'c.yaml:3:8: cannot read the users file: this user may not read it (users);'],
    ['is empty', '', 'users:1:1: no user stands in this file'],
    ['is half written', users.slice(0, -1), 'users:3:65: no newline at the end'],
    ['holds a password', 'ann:secret\n', 'users:1:5: user `ann`: a password in plain text'],
  ])('%s', (_name, file, message) => {
    expect(load(named, { users: file }).told).toEqual([expect.stringContaining(message)]);
  });
});

it.each([
  [0o100640, []],
  [0o100600, []],
  [
    0o100644,
    ['users:1:1: warning: everybody on this machine can read the users file (mode 0644); run `chmod 640 users`'],
  ],
  [0o100666, [expect.stringContaining('(mode 0666)')]],
  [null, []],
])('a users file of mode %o that others can read is a warning', (mode, told) => {
  expect(load(named, { users }, { fileMode: () => mode }).told).toEqual(told);
});

it('requiring credentials where nobody could have any is a fault', () => {
  expect(load('auth: {requiredFrom: [10.1.0.0/16]}\n', {}).told).toEqual([
    'c.yaml:3:8: nobody could sign in: `auth.requiredFrom` needs `auth.usersFile`',
  ]);
});

it('a rule for a user without a users file is a fault', () => {
  expect(load('', { 'rules.txt': 'h.example user ann\n' }).told).toEqual([
    'rules.txt:1:11: `user` needs `auth.usersFile` in the configuration',
  ]);
});

it('a rule for a user that the file lacks is a warning with the nearest names', () => {
  const rules = 'h.example user ann,anm\ni.example user zoe\nj.example user nobody\n';
  expect(load(named, { users, 'rules.txt': rules }).told).toEqual([
    'rules.txt:1:1: warning: no user `anm` in users; did you mean `ann`?',
    'rules.txt:2:1: warning: no user `zoe` in users; did you mean `zoé` or `bob`?',
    'rules.txt:3:1: warning: no user `nobody` in users',
  ]);
});

it('a user whose line is at fault is not said to be missing', () => {
  const { told } = load(named, { users: `${users}eve:secret\n`, 'rules.txt': 'h.example user eve\n' });
  expect(told).toEqual([expect.stringContaining('users:4:5: user `eve`: a password in plain text')]);
});

describe('the realm goes into a field as it is', () => {
  it.each(['"backup proxy"', '\'say "please" \\ ok\''])('%s', (realm) => {
    expect(load(`auth: {realm: ${realm}}\n`, {}).told).toEqual([]);
  });

  it.each(['""', '"a\\nb"', '"zoé"'])('and %s is a fault', (realm) => {
    expect(load(`auth: {realm: ${realm}}\n`, {}).told).toEqual([
      'c.yaml:3:15: `auth.realm`: write printable ASCII characters, at least one',
    ]);
  });
});

describe('the fingerprint of a configuration', () => {
  const hashOf = (files: Readonly<Record<string, string>>) => load(named, { users, ...files }).hash;

  it('changes with a user and with a password, not with comments and order', () => {
    expect(hashOf({ users: `${lines[0]}\n` })).not.toBe(hashOf({}));
    expect(hashOf({ users: users.replace('$10$R', '$10$S') })).not.toBe(hashOf({}));
    expect(hashOf({ users: `# staff\n${lines.toReversed().join('\n')}\n` })).toBe(hashOf({}));
  });
});
