/** Stored passwords in their four forms, against hashes that other programs made. */
import { describe, expect, it } from 'vitest';
import { hashBcrypt } from '../../../src/state/password-bcrypt.ts';
import { verifyStored } from '../../../src/state/password-stored.ts';
import { readHashForm } from '../../../src/policy/users-hash.ts';

const digits32 = '01234567890123456789012345678901';

/** Written by `openssl passwd`, `htpasswd` and glibc; lengths at and around a digest's are where copies go wrong. */
const written: readonly (readonly [password: string, stored: string])[] = [
  [
    'Hello world!',
    '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
  ],
  [
    `${digits32}23456789012345678901234567890123`,
    '$6$saltstring$jX.W5.EWNSq.nvbbtiSuU844PZ20.8M7Kb4vGnEDIhCxybfTLA45Nmtj9kTXJUQS7M.k2iVGexR8uRWvuxt72/',
  ],
  ['pässword€', '$6$saltstring$z/7b78VWOqy8H1wOo2AI3KICNoL/gpexLSfNxAmTn.btDjscjg0eHozpH4JI6cM.YrvCmi9clkZk3azYuoZnx.'],
  [digits32, '$6$saltstring$3k1UpjPoWVsZctMLOXBhpB1lqyo2pKiPv2gbxibaM1vvc7ppuSqgkb6aD5TB2IDSbOExhxNXd4zkCCumP816E/'],
  ['Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'],
  [`${digits32}23456789012345678901234567890123`, '$5$saltstring$I1yHyHoVmTikZXr6Obhs5mU/hYKw1Fg6TiRznsgmsg/'],
  ['pässword€', '$5$saltstring$iIYTqSkb0tX0b04j9uOrc9ndtYLxadWv.kPVXNDHWv7'],
  [digits32, '$5$saltstring$bZbXzkPxm7qHMjkSOBbgyYX3veRBhwcZtOaqVDZr.d4'],
  ['Hello world!', '$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA'],
  [
    'Hello world!',
    '$6$rounds=1400$anotherlongsalts$5FGyu8c4BZDX4wJgs0Un26YOw2XibT5eTkHF1I1aP3QqStoJI9BHD2YPJYsAjEePVGUyBjdZxcNqMWlrrbIOC.',
  ],
  ['Hello world!', '$apr1$saltstri$aGfuB7Lcvs2TUeFTqUVfN0'],
  [`${digits32}23456789012345678901234567890123`, '$apr1$saltstri$JM1Q3u1TdVlBAHsTomojq1'],
  ['pässword€', '$apr1$saltstri$Kv3ci58rgyz2MPvOEapuM.'],
  [digits32, '$apr1$saltstri$7iw0bbLJY0Oes5WMLE0gd0'],
  ['annie-pass', '$2b$04$RmVrxkC3KI7OLBJQ4HULwO4zV2jH.mEKszmC8h9A/y1/Iriuypzy.'],
  ['annie-pass', '$2y$04$RmVrxkC3KI7OLBJQ4HULwO4zV2jH.mEKszmC8h9A/y1/Iriuypzy.'],
  ['pässword€', '$2a$04$OF1qGtacA/JSjhxFXQoE/u2ii882vlLSYWU1CTFhczhNDpwBIcFQi'],
];

describe.each(written)('%s as %s', (password, stored) => {
  it('is a form that is read', () => {
    expect(readHashForm(stored)).toMatchObject({ ok: true });
  });

  it('is right for its password', () => {
    expect(verifyStored(password, stored)).toBe(true);
  });

  it.each([
    ['a longer one', `${password}x`],
    ['a shorter one', password.slice(0, -1)],
    ['none', ''],
    ['another case', password.toUpperCase() === password ? `${password} ` : password.toUpperCase()],
  ])('is wrong for %s', (_name, other) => {
    expect(verifyStored(other, stored)).toBe(false);
  });
});

describe('a new password', () => {
  it('is stored with a salt of its own, and verified', () => {
    const stored = [hashBcrypt('secret'), hashBcrypt('secret')];
    expect(new Set(stored).size).toBe(2);
    for (const one of stored) {
      expect(readHashForm(one)).toEqual({ ok: true, value: { kind: 'bcrypt', work: 10 } });
      expect(verifyStored('secret', one)).toBe(true);
    }
  });

  it('has no more bytes than bcrypt reads', () => {
    expect(() => hashBcrypt('é'.repeat(37))).toThrow(RangeError);
    expect(verifyStored('é'.repeat(36), hashBcrypt('é'.repeat(36)))).toBe(true);
  });
});
