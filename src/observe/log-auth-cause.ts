/** The likely cause of 407s, in words, with the line of the configuration that ends them. */
import { parseAddress, prefixContains } from '../address/ip.ts';
import type { Prefix } from '../address/ip.ts';
import { exemptionLine } from '../policy/users-challenge.ts';
import type { ClientAuth, RejectedUser } from './log-auth.ts';
import { remedyFor } from './log-remedy.ts';

/** `fine`: challenged and then signed in, as it is meant to be. */
export type AuthCauseWord =
  | 'fine'
  | 'cannot_authenticate'
  | 'wrong_password'
  | 'unknown_user'
  | 'rejected'
  | 'wrong_scheme'
  | 'throttled'
  | 'parent_credential_refused';

export interface AuthCause {
  readonly cause: AuthCauseWord;
  /** What to do, in a sentence; null where there is nothing to do. */
  readonly advice: string | null;
}

/** What the configuration says, for causes that the log alone cannot tell apart. */
export interface AuthContext {
  readonly requiredFrom: readonly Prefix[];
  readonly usersFile: string | null;
  /** Whether the users file holds a name; null where it cannot be read. */
  readonly isKnownUser: (name: string) => boolean | null;
  /** Clients that signed in. */
  readonly signedIn: ReadonlySet<string>;
}

/** So many challenges in a row after a success are no longer the first half of a sign-in that is still under way. */
const manyUnanswered = 5;

/** Tells the likely cause of what a client's program got. */
export function authCause(auth: ClientAuth, context: AuthContext): AuthCause {
  const hasSignedInSince = (auth.lastSuccess ?? -Infinity) >= (auth.lastFailure ?? -Infinity);
  if (auth.upstream > 0) {
    const advice = 'the parent proxy refuses our credential: mend upstream.credentialsFile';
    return { cause: 'parent_credential_refused', advice };
  }
  if (auth.lastFailure !== null && !hasSignedInSince) return failureCause(auth, context);
  const isSilent = auth.lastSuccess === null ? auth.unanswered > 0 : auth.unanswered >= manyUnanswered;
  if (!isSilent) return { cause: 'fine', advice: null };
  const who = auth.userAgent === null ? 'never sends credentials, as WALinuxAgent cannot' : 'never sends credentials';
  const since = auth.lastSuccess === null ? who : 'has sent none since it last signed in';
  return { cause: 'cannot_authenticate', advice: `${since}: ${exemption(auth, context)}` };
}

function failureCause(auth: ClientAuth, { isKnownUser, usersFile }: AuthContext): AuthCause {
  const [scheme] = auth.otherSchemes;
  if (scheme !== undefined) {
    return {
      cause: 'wrong_scheme',
      advice: `offers ${scheme}, and the proxy takes Basic alone: set the client to Basic`,
    };
  }
  const names = auth.rejectedUsers.map(({ name }) => name);
  const waits = auth.throttled > 0 ? '; throttled meanwhile, so wait a minute after that' : '';
  // The line knew at the time; the users file may have changed since.
  const isKnown = ({ name, isKnown }: RejectedUser) => isKnown ?? isKnownUser(name);
  const unknown = auth.rejectedUsers.filter((user) => isKnown(user) === false).map(({ name }) => name);
  if (unknown.length > 0 && unknown.length === names.length) {
    const advice = `${listOf(unknown)} is not in ${usersFile ?? 'the users file'}: \`lockdown-proxy users add NAME\`, or mend the name on the client${waits}`;
    return { cause: 'unknown_user', advice };
  }
  if (auth.rejected === 0 && names.length === 0) {
    return {
      cause: 'throttled',
      advice: 'too many wrong guesses before: wait a minute, then sign in with the right password',
    };
  }
  const known = auth.rejectedUsers.filter((user) => isKnown(user) === true).map(({ name }) => name);
  if (known.length > 0) {
    const advice = `the password of ${listOf(known)} is wrong: \`lockdown-proxy users verify NAME\` tells, mend it on the client${waits}`;
    return { cause: 'wrong_password', advice };
  }
  const advice = `wrong password or unknown user${names.length > 0 ? ` (${listOf(names)})` : ''}: \`lockdown-proxy users list\` and \`users verify\` tell${waits}`;
  return { cause: 'rejected', advice };
}

/** How a client that cannot sign in is let off: out of `requiredFrom`, or by a rule for its address where none asks for it. */
function exemption({ client, challenge }: ClientAuth, { requiredFrom, signedIn }: AuthContext): string {
  const address = parseAddress(client);
  const holders = requiredFrom.filter((prefix) => address !== null && prefixContains(prefix, address));
  if (address === null || holders.length === 0) {
    const { rule } = challenge ? remedyFor({ ...challenge, reason: 'not_on_allowlist', hint: null }) : { rule: null };
    const added = rule === null ? 'one' : `\`${rule} from ${client}\``;
    return `only a rule with \`user\` allows what it asks for: add ${added} for its address`;
  }
  const others = [...signedIn].filter((other) => {
    const at = parseAddress(other);
    return other !== client && at !== null && holders.some((prefix) => prefixContains(prefix, at));
  });
  const caution = others.length > 0 ? `; ${others[0]} under the same prefix does sign in, let it go on having to` : '';
  return `exempt its subnet: \`${exemptionLine(requiredFrom, address)}\`${caution}`;
}

function listOf(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}
