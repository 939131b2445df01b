/** The secrets that tests give to proxies and send through them, and every spelling in which one could be let slip. */
import { guess, passwords } from './users.ts';

/** What nothing that a proxy says may ever have in it. */
export const secrets: readonly string[] = [
  ...Object.values(passwords),
  // Credentials for parents.
  'parent-word',
  'parent-secret-word',
  // A token of instance metadata, and the query of a shared access signature.
  'very.secret-token',
  'sig=secret',
  guess,
];

/** As it is, as JSON and URLs escape it, in hexadecimal, and within base64 whatever stands before and behind it. */
export function spellingsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const aligned = [0, 1, 2].map((before) => {
    const padded = Buffer.concat([Buffer.alloc(before), bytes]);
    // Characters that also hold bits of a neighbour are not the secret's alone.
    const whole = padded.subarray(0, padded.length - (padded.length % 3)).toString('base64');
    return whole.slice(before === 0 ? 0 : 4);
  });
  const ascii = secret.replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const spellings = [secret, ascii, bytes.toString('latin1'), encodeURIComponent(secret), bytes.toString('hex')];
  // What is left of a very short one would be found by chance.
  return [...new Set([...spellings, ...aligned.filter((text) => text.length >= 4)])];
}

/** The secrets that stand in a text, in whatever spelling. */
export function secretsIn(text: string): readonly string[] {
  return secrets.filter((secret) => spellingsOf(secret).some((spelling) => text.includes(spelling)));
}
