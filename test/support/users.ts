/** Users for tests: their lines in a users file, and the fields that clients send for them. */

/** Cost 4 is the least that bcrypt has: a test's sign-in costs milliseconds. */
const hashes: Readonly<Record<string, string>> = {
  ann: '$2b$04$RmVrxkC3KI7OLBJQ4HULwO4zV2jH.mEKszmC8h9A/y1/Iriuypzy.',
  bob: '$2b$04$F3flvOiPsD5IemtlOCbn9.AdZ.GaZlNne.S5XryHGnRvMvvGJA3Nq',
  zoé: '$2b$04$OF1qGtacA/JSjhxFXQoE/u2ii882vlLSYWU1CTFhczhNDpwBIcFQi',
};

/** What each user's password is; `bob` has a colon and a blank in it. */
export const passwords = { ann: 'annie-pass', bob: 'b:o b', zoé: 'pässword€' } as const;

/** A password that no user has. */
export const guess = 'hunter2-guessed';

/** The users file of all three. */
export const userLines: readonly string[] = Object.entries(hashes).map(([name, stored]) => `${name}:${stored}`);

/** The value of a Proxy-Authorization field. */
export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** The whole field of a user with the right password, with its line end. */
export function signedIn(user: keyof typeof passwords): string {
  return `Proxy-Authorization: ${basic(user, passwords[user])}\r\n`;
}
