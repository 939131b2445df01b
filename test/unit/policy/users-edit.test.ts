/** One user changed in the text of a users file, and nothing else. */
import { expect, it } from 'vitest';
import { removeUser, setUser } from '../../../src/policy/users-edit.ts';

const text = '# staff\nann:old\n\nbob:other\r\nANN:upper\nann:twice\n';

it.each([
  ['a new user stands at the end', 'eve', '# staff\nann:old\n\nbob:other\r\nANN:upper\nann:twice\neve:new\n', 0],
  ['a user of several lines has one of them', 'ann', '# staff\nann:new\n\nbob:other\r\nANN:upper\n', 2],
  ['another user keeps the others', 'bob', '# staff\nann:old\n\nbob:new\nANN:upper\nann:twice\n', 1],
  [
    'a name that begins like another is another',
    'an',
    '# staff\nann:old\n\nbob:other\r\nANN:upper\nann:twice\nan:new\n',
    0,
  ],
])('%s', (_name, user, after, found) => {
  expect(setUser(text, user, 'new')).toEqual({ text: after, found });
});

it('the first user of an empty file is its only line', () => {
  expect(setUser('', 'ann', 'new')).toEqual({ text: 'ann:new\n', found: 0 });
});

it.each([
  ['ann', '# staff\n\nbob:other\r\nANN:upper\n', 2],
  ['bob', '# staff\nann:old\n\nANN:upper\nann:twice\n', 1],
  ['eve', text, 0],
])('without %s the rest stands as it was', (user, after, found) => {
  expect(removeUser(text, user)).toEqual({ text: after, found });
});

it('a user behind a byte order mark is found', () => {
  expect(removeUser('\ufeffann:x\nbob:y\n', 'ann')).toEqual({ text: 'bob:y\n', found: 1 });
});
