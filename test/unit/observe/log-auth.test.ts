import { describe, expect, it } from 'vitest';
import { parsePrefix } from '../../../src/address/ip.ts';
import type { AuthContext } from '../../../src/observe/log-auth-cause.ts';
import { authCause } from '../../../src/observe/log-auth-cause.ts';
import { createAuth } from '../../../src/observe/log-auth.ts';
import { logRecord } from '../../support/log-lines.ts';
import type { Line } from '../../support/log-lines.ts';

const asked: Line = { verdict: 'challenge', reason: 'credentials_missing', authFailure: 'missing', status: 407 };
const rejected: Line = {
  verdict: 'deny',
  reason: 'credentials_rejected',
  authFailure: 'rejected',
  status: 407,
  user: 'mars',
};
const throttled: Line = { verdict: 'deny', reason: 'credentials_throttled', authFailure: 'throttled', status: 429 };
const parent: Line = { verdict: 'error', reason: 'upstream_proxy_auth', authFailure: 'upstream', status: 502 };
const signedIn: Line = { user: 'mars' };

const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new TypeError(parsed.message);
  return parsed.value;
};

/** Lines a second apart, in their order. */
function authOf(lines: readonly Line[], scheme: string | null = null) {
  const counted = createAuth();
  for (const [at, line] of lines.entries()) {
    const record = logRecord({ at: new Date(Date.UTC(2026, 0, 2, 3, 4, at)).toISOString(), ...line });
    counted.add({ ...record, authScheme: record.authFailure === 'rejected' ? scheme : null });
  }
  return counted.result();
}

function causeOf(lines: readonly Line[], context: Partial<AuthContext> = {}, scheme: string | null = null) {
  const { clients, signedIn } = authOf(lines, scheme);
  const everything = { requiredFrom: [], usersFile: '/etc/users', isKnownUser: () => null, signedIn, ...context };
  const [auth] = clients;
  if (auth === undefined) throw new TypeError('nobody');
  return authCause(auth, everything);
}

describe('authentication', () => {
  it('is counted by client and program: challenges, failures, successes and the last of each', () => {
    const { clients } = authOf([
      { ...asked, userAgent: 'MARS' },
      { ...signedIn, userAgent: 'MARS' },
      { ...asked, userAgent: null },
      { ...rejected, client: '10.0.0.9', userAgent: 'x' },
    ]);
    expect(clients).toMatchObject([
      { client: '10.0.0.4', userAgent: null, challenges: 1, unanswered: 1, successes: 0, lastSuccess: null },
      {
        client: '10.0.0.4',
        userAgent: 'MARS',
        challenges: 1,
        unanswered: 0,
        successes: 1,
        lastSuccess: Date.UTC(2026, 0, 2, 3, 4, 1),
      },
      {
        client: '10.0.0.9',
        rejected: 1,
        rejectedUsers: [{ name: 'mars', isKnown: null }],
        lastFailure: Date.UTC(2026, 0, 2, 3, 4, 3),
      },
    ]);
  });

  it('of who never had to sign in is not listed', () => {
    expect(authOf([{}, signedIn]).clients).toEqual([]);
    expect([...authOf([{}, signedIn]).signedIn]).toEqual(['10.0.0.4']);
  });

  it('in a tunnel that is still open is a success', () => {
    expect(causeOf([asked, { ...signedIn, event: 'tunnel-open' }]).cause).toBe('fine');
  });
});

describe('the likely cause', () => {
  const known = { isKnownUser: (name: string) => name === 'mars' };
  it.each<[string, readonly Line[], Partial<AuthContext>, string | null, string]>([
    ['a challenge and then a sign-in', [asked, signedIn], {}, null, 'fine'],
    ['challenges between sign-ins', [asked, signedIn, asked, asked, signedIn, asked], {}, null, 'fine'],
    ['a slip and then the right password', [asked, rejected, signedIn], {}, null, 'fine'],
    ['challenges and nothing more', [asked, asked, asked], {}, null, 'cannot_authenticate'],
    ['one challenge and nothing more', [asked], {}, null, 'cannot_authenticate'],
    [
      'a sign-in long ago and no answer since',
      [signedIn, asked, asked, asked, asked, asked],
      {},
      null,
      'cannot_authenticate',
    ],
    ['a known name', [asked, rejected], known, null, 'wrong_password'],
    ['a name that is not in the users file', [{ ...rejected, user: 'bob' }], known, null, 'unknown_user'],
    ['names, one of them known', [{ ...rejected, user: 'bob' }, rejected], known, null, 'wrong_password'],
    [
      'a name, where the line says that it was there',
      [{ ...rejected, hint: 'wrong password' }],
      {},
      null,
      'wrong_password',
    ],
    [
      'a name, where the line says that it was not',
      [{ ...rejected, hint: 'no such user in /etc/users' }],
      known,
      null,
      'unknown_user',
    ],
    ['names, and no users file to look into', [rejected], {}, null, 'rejected'],
    ['another scheme', [asked, { ...rejected, user: null }], known, 'NTLM', 'wrong_scheme'],
    ['the right scheme, however written', [asked, rejected], known, 'Basic', 'wrong_password'],
    ['guesses until it was throttled', [rejected, throttled], known, null, 'wrong_password'],
    ['nothing but being throttled', [throttled], known, null, 'throttled'],
    ['a password that was right before', [signedIn, rejected], known, null, 'wrong_password'],
    ['the parent that refuses us', [signedIn, parent], {}, null, 'parent_credential_refused'],
  ])('of %s', (_name, lines, context, scheme, expected) => {
    expect(causeOf(lines, context, scheme).cause).toBe(expected);
  });

  it('comes with advice, but for what is fine', () => {
    expect(causeOf([asked, signedIn]).advice).toBeNull();
    expect(causeOf([{ ...rejected, user: 'bob' }], known).advice).toMatch(
      /^`bob` is not in \/etc\/users: `lockdown-proxy users add NAME`/,
    );
    expect(causeOf([rejected, throttled], known).advice).toMatch(
      /the password of `mars` is wrong: .*throttled meanwhile/,
    );
    expect(causeOf([asked, rejected], known, 'Negotiate').advice).toMatch(/^offers negotiate, .* Basic alone/);
  });
});

describe('a client that cannot sign in', () => {
  const requiredFrom = [prefix('10.0.0.0/24'), prefix('10.7.0.0/16')];

  it('is exempted by the line of the configuration without its subnet', () => {
    expect(causeOf([{ ...asked, userAgent: null }], { requiredFrom }).advice).toBe(
      'never sends credentials, as WALinuxAgent cannot: exempt its subnet: `auth: { requiredFrom: ["10.7.0.0/16"] }`',
    );
  });

  it('beside others in its subnet that can is told apart from them', () => {
    const lines = [asked, { ...signedIn, client: '10.0.0.8' }, { ...signedIn, client: '10.7.0.1' }];
    const { advice } = causeOf(lines, { requiredFrom });
    expect(advice).toContain('`auth: { requiredFrom: ["10.7.0.0/16"] }`; 10.0.0.8 under the same prefix does sign in');
  });

  it('and that no prefix asks gets the rule for its address that has no user', () => {
    const { advice } = causeOf([asked], { requiredFrom: [prefix('10.9.0.0/16')] });
    expect(advice).toContain('add `acct.blob.core.windows.net from 10.0.0.4` for its address');
  });
});
