/** `users`: what each command does to the file, what it says, and that no password is ever said. */
import { PassThrough } from 'node:stream';
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runUsersAdd, runUsersList, runUsersRemove, runUsersVerify } from '../../../src/cli/users.ts';
import type { UsersOptions } from '../../../src/cli/users.ts';
import type { PasswordInput } from '../../../src/cli/users-password.ts';
import { verifyStored } from '../../../src/state/password-stored.ts';
import { createTempFolder } from '../../support/temp-folder.ts';
import type { TempFolder } from '../../support/temp-folder.ts';
import { passwords, userLines } from '../../support/users.ts';

function folderWith(users: string | null, config = 'auth: {usersFile: ./users}\n'): TempFolder {
  const folder = createTempFolder();
  folder.write('config.yaml', config);
  if (users !== null) folder.write('users', users);
  return folder;
}

const staff = `# staff\n${userLines.join('\n')}\n`;

/** Runs a command with this on standard input. */
async function run(
  folder: TempFolder,
  command: (options: UsersOptions) => Promise<number>,
  typed: string | PasswordInput = '',
  json = false,
) {
  let out = '';
  let said = '';
  const input = typeof typed === 'string' ? new PassThrough() : typed;
  if (typeof typed === 'string') (input as PassThrough).end(typed);
  const code = await command({
    config: join(folder.path, 'config.yaml'),
    json,
    input,
    out: (text) => void (out += text),
    say: (text) => void (said += text),
  });
  return { code, out, said };
}

const add = (name: string) => (options: UsersOptions) => runUsersAdd(options, name);
const remove = (name: string) => (options: UsersOptions) => runUsersRemove(options, name);
const verify = (name: string) => (options: UsersOptions) => runUsersVerify(options, name);

describe('users add', () => {
  it('makes the file, which others cannot read, with a hash that is right', async () => {
    using folder = folderWith(null);
    const { code, out, said } = await run(folder, add('eve'), 'pass word:é\npass word:é\n');
    expect({ code, out, said }).toEqual({ code: 0, out: `user eve added (${join(folder.path, 'users')})\n`, said: '' });
    const [, stored = ''] = /^eve:(\$2y\$10\$.{53})\n$/.exec(folder.read('users')) ?? [];
    expect(verifyStored('pass word:é', stored)).toBe(true);
    expect(statSync(join(folder.path, 'users')).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder.path).sort()).toEqual(['config.yaml', 'users']);
  });

  it('gives a user that is there another password and leaves the other lines', async () => {
    using folder = folderWith(`${staff}old:plain text\n`);
    const { code, out } = await run(folder, add('ann'), 'new\r\nnew\r\n', true);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({ user: 'ann', done: 'changed', file: join(folder.path, 'users') });
    const lines = folder.read('users').split('\n');
    expect(lines.filter((_, at) => at !== 1)).toEqual(['# staff', ...userLines.slice(1), 'old:plain text', '']);
    expect(verifyStored('new', lines[1]!.slice('ann:'.length))).toBe(true);
  });

  it.each([
    ['a:b', 'x\nx\n', 'a user name has no blank, comma or colon'],
    ['a b', 'x\nx\n', 'a user name has no blank, comma or colon'],
    ['a\x1b', 'x\nx\n', 'a control character in the name'],
    ['', 'x\nx\n', 'no name before the colon'],
    ['#a', 'x\nx\n', 'a user name does not begin with `#`'],
    ['eve', 'hunter2\nhunter3\n', 'the two passwords differ; nothing was changed'],
    ['eve', 'hunter2\n', 'standard input ended; it has to give the password twice, on two lines'],
    ['eve', '', 'standard input ended; it has to give the password twice, on two lines'],
    ['eve', '\n\n', 'the password is empty; nothing was changed'],
    ['eve', 'hunter2\t\nhunter2\t\n', 'a password has no control characters; nothing was changed'],
    ['eve', `${'é'.repeat(37)}\n${'é'.repeat(37)}\n`, 'a password has at most 72 bytes: bcrypt reads no further'],
  ])('refuses the name %j with the input %j', async (name, typed, message) => {
    using folder = folderWith(staff);
    expect(await run(folder, add(name), typed)).toEqual({ code: 1, out: '', said: `lockdown-proxy: ${message}\n` });
    expect(folder.read('users')).toBe(staff);
  });

  it('leaves a file alone that may be half written', async () => {
    using folder = folderWith('ann:$2y$10$abc');
    const { code, said } = await run(folder, add('eve'), 'x\nx\n');
    expect(code).toBe(1);
    expect(said).toContain('it may be half written; mend it first');
    expect(folder.read('users')).toBe('ann:$2y$10$abc');
  });

  it('says that the configuration names no users file, and how it would', async () => {
    using folder = folderWith(null, 'networks: [10.0.0.0/8]\n');
    const { code, said } = await run(folder, add('eve'), 'x\nx\n');
    expect(code).toBe(1);
    expect(said).toContain('the configuration names no users file; write `auth: { usersFile: ./users }`');
  });

  it('says what stands in the way of writing, and leaves nothing behind', async () => {
    using folder = folderWith(null, 'auth: {usersFile: ./gone/users}\n');
    const { code, said } = await run(folder, add('eve'), 'x\nx\n');
    expect(code).toBe(1);
    expect(said).toMatch(/^lockdown-proxy: cannot write .*gone\/users: ENOENT/);
    expect(readdirSync(folder.path)).toEqual(['config.yaml']);
  });
});

describe('users remove', () => {
  it('takes the user out', async () => {
    using folder = folderWith(staff);
    chmodSync(join(folder.path, 'users'), 0o644);
    const { code, out } = await run(folder, remove('bob'));
    expect({ code, out }).toEqual({ code: 0, out: `user bob removed (${join(folder.path, 'users')})\n` });
    expect(folder.read('users')).toBe(`# staff\n${[userLines[0], userLines[2]].join('\n')}\n`);
    expect(statSync(join(folder.path, 'users')).mode & 0o777).toBe(0o640);
  });

  it('fails for a user that is not there', async () => {
    using folder = folderWith(staff);
    const { code, said } = await run(folder, remove('eve'));
    expect({ code, said }).toEqual({ code: 1, said: `lockdown-proxy: no user eve in ${join(folder.path, 'users')}\n` });
    expect(folder.read('users')).toBe(staff);
  });
});

describe('users list', () => {
  it('names the users and the form of their hashes', async () => {
    using folder = folderWith(`${userLines[0]}\nlonger:$apr1$saltstri$aGfuB7Lcvs2TUeFTqUVfN0\n`);
    const { code, out } = await run(folder, runUsersList);
    expect({ code, out }).toEqual({ code: 0, out: 'ann     bcrypt, cost 4\nlonger  apr1, 1000 rounds\n' });
  });

  it('fails where a line is at fault, and tells all the same', async () => {
    using folder = folderWith(`${userLines[0]}\neve:hunter2\n`);
    const { code, out } = await run(folder, runUsersList, '', true);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({
      file: join(folder.path, 'users'),
      users: [
        { user: 'ann', line: 1, kind: 'bcrypt', work: 4 },
        { user: 'eve', line: 2, kind: null, work: null },
      ],
    });
  });

  it('says that there is no file', async () => {
    using folder = folderWith(null);
    const { code, said } = await run(folder, runUsersList);
    expect(code).toBe(1);
    expect(said).toContain('cannot read the users file: there is no such file');
  });
});

describe('users verify', () => {
  it.each([
    ['ann', passwords.ann, 0, 'right\n'],
    ['bob', `${passwords.bob}\n`, 0, 'right\n'],
    ['zoé', `${passwords.zoé}\r\n`, 0, 'right\n'],
    ['ann', `${passwords.ann} \n`, 1, 'wrong\n'],
    ['ann', '\n', 1, 'wrong\n'],
  ])('%s with %j gives %i', async (name, typed, code, out) => {
    using folder = folderWith(staff);
    expect(await run(folder, verify(name), typed)).toEqual({ code, out, said: '' });
  });

  it('fails for a user that is not there or whose hash is refused', async () => {
    using folder = folderWith(`${staff}eve:hunter2\n`);
    for (const name of ['nobody', 'eve']) {
      const { code, said } = await run(folder, verify(name), 'hunter2\n');
      expect({ code, said }).toEqual({
        code: 1,
        said: `lockdown-proxy: no user ${name} with a readable hash in ${join(folder.path, 'users')}\n`,
      });
    }
  });
});

describe('on a terminal', () => {
  /** Keys as a terminal sends them; `modes` are the changes between showing and not showing what is typed. */
  function terminal(keys: string) {
    const modes: boolean[] = [];
    const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (isRaw: boolean) => modes.push(isRaw) });
    input.write(keys);
    return { input, modes };
  }

  it('a password is asked for twice, mended with backspace, and never shown', async () => {
    using folder = folderWith(staff);
    const { input, modes } = terminal('huntex\x7fr2\rwrong\x15hunter€\x7f2\r');
    const { code, said } = await run(folder, add('eve'), input);
    expect(code).toBe(0);
    expect(said).toBe('New password for eve: \nAgain: \n');
    expect(modes).toEqual([true, false]);
    const stored = /^eve:(.*)$/m.exec(folder.read('users'))?.[1] ?? '';
    expect(verifyStored('hunter2', stored)).toBe(true);
  });

  it.each([
    ['Ctrl-C', 'hunter2\x03'],
    ['Ctrl-D', 'hunter2\r\x04'],
  ])('%s changes nothing and gives the terminal back', async (_name, keys) => {
    using folder = folderWith(staff);
    const { input, modes } = terminal(keys);
    const { code, said } = await run(folder, add('eve'), input);
    expect(code).toBe(1);
    expect(said).toContain('interrupted; nothing was changed');
    expect(said).not.toContain('hunter2');
    expect(modes).toEqual([true, false]);
    expect(folder.read('users')).toBe(staff);
  });
});
