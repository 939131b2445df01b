/**
 * Who asks: credentials are verified before anything is said of the target. What is there is verified whoever the client
 * is; what is not there is asked for only where it is required or where it alone is missing.
 */
import type { Address } from '../address/ip.ts';
import type { Config } from '../config/config.ts';
import { ProxyError } from '../errors.ts';
import { readCredentials } from '../message/credentials.ts';
import type { Question } from '../policy/decide.ts';
import { exemptionLine, missesUser } from '../policy/users-challenge.ts';
import type { Snapshot } from '../state/snapshot.ts';
import type { Verification, Verifier } from '../state/verify.ts';
import type { Exchange } from './exchange.ts';

/** Who is at the other end of a connection. */
export interface Peer {
  readonly client: Address;
  /** Whom a verified client certificate names; null without one. */
  readonly user: string | null;
}

/** What of a request says who sent it. */
export interface Sender {
  readonly rawHeaders: readonly string[];
  readonly httpVersion: string;
}

/**
 * The user whose credentials came with the request, else the one that `question` has from a client certificate, or null
 * for an anonymous one; at once where nothing has to be hashed.
 * @throws ProxyError `credentials_missing`, `credentials_rejected`, `credentials_throttled` or `malformed_request`
 */
export function authenticate(
  exchange: Exchange,
  question: Question,
  sender: Sender,
  verifier: Verifier,
): string | null | Promise<string> {
  const { record, snapshot, client, signal } = exchange;
  const { users } = snapshot;
  record.user = question.user;
  if (!users) return withoutCredentials(exchange, question, sender);
  const credentials = readCredentials(sender.rawHeaders);
  switch (credentials.type) {
    case 'absent':
      return withoutCredentials(exchange, question, sender);
    case 'malformed': {
      const { phrase, status } = credentials;
      throw new ProxyError('malformed_request', { phrase, status });
    }
    case 'other': {
      record.authScheme = credentials.scheme;
      record.hint = 'the client tried a scheme that is not offered: set it to Basic';
      throw challenge(exchange, 'rejected', `scheme ${credentials.scheme} not offered, use Basic`);
    }
    case 'basic':
  }
  const { user, password } = credentials;
  record.authScheme = 'Basic';
  record.user = user === '' ? null : user;
  const stored = users.hashes.get(user) ?? null;
  const verifying = verifier.verify({ user, password, client: client.text, stored, decoy: users.decoy }, signal);
  return verifying instanceof Promise
    ? verifying.then((verification) => verified(exchange, user, stored, verification))
    : verified(exchange, user, stored, verifying);
}

/** The user who was verified. @throws ProxyError `credentials_rejected` or `credentials_throttled` */
function verified(exchange: Exchange, user: string, stored: string | null, verification: Verification): string {
  const { record, snapshot } = exchange;
  if (verification.outcome === 'right') return user;
  if (verification.outcome === 'throttled') {
    record.authFailure = 'throttled';
    const seconds = Math.ceil(verification.retryAfterMs / 1000);
    throw new ProxyError('credentials_throttled', {
      phrase: `Too Many Requests: sign-in blocked for ${seconds} s`,
      fields: [['Retry-After', String(seconds)]],
    });
  }
  // The log may know which of the two it was; the client may not.
  record.hint = stored === null ? `no such user in ${snapshot.config.auth.usersFile}` : 'wrong password';
  throw challenge(exchange, 'rejected', 'wrong user or password');
}

/** A client certificate counts as credentials; without one they are asked for where only they are missing. */
function withoutCredentials(exchange: Exchange, question: Question, sender: Sender): string | null {
  const { snapshot, client } = exchange;
  const { users, hasCertificateUsers, requiredFrom, policy } = snapshot;
  if (question.user !== null || (!users && !hasCertificateUsers)) return question.user;
  const isRequired = requiredFrom.has(client);
  if (!isRequired && !missesUser(policy, question)) return null;
  throw challengeMissing(exchange, sender, isRequired);
}

/** The 407 for a client that said nothing of who it is, although it is required to or some rule would let its user out. */
export function challengeMissing(exchange: Exchange, sender: Sender, isRequired: boolean): ProxyError {
  if (cannotAuthenticate(exchange, sender)) exchange.record.hint = remedyFor(exchange, isRequired);
  const { users } = exchange.snapshot;
  return challenge(exchange, 'missing', users ? 'send Basic credentials' : 'show a client certificate');
}

/** The 407 with its challenge (RFC 9110 section 11.7.1, RFC 7617 section 2.1), noted in the record. */
function challenge(exchange: Exchange, failure: 'missing' | 'rejected', detail: string): ProxyError {
  const { record, snapshot } = exchange;
  record.authFailure = failure;
  record.authOffered = 'Basic';
  return new ProxyError(failure === 'missing' ? 'credentials_missing' : 'credentials_rejected', {
    phrase: `Proxy Authentication Required: ${detail}`,
    fields: [['Proxy-Authenticate', `Basic realm="${quoted(snapshot.config.auth)}", charset="UTF-8"`]],
  });
}

function quoted({ realm }: Config['auth']): string {
  return realm.replace(/["\\]/g, '\\$&');
}

/** The Azure agent says nothing of itself and speaks HTTP/1.0: it never answers a challenge, so that a 407 is its end. */
function cannotAuthenticate({ record }: Exchange, { httpVersion }: Sender): boolean {
  return record.userAgent === null && httpVersion === '1.0';
}

function remedyFor(
  { snapshot, client }: { snapshot: Snapshot; client: Exchange['client'] },
  isRequired: boolean,
): string {
  const agent = 'this client cannot authenticate (WALinuxAgent never does)';
  return isRequired
    ? `${agent}; exempt its subnet: ${exemptionLine(snapshot.config.auth.requiredFrom, client)}`
    : `${agent}; only a rule with \`user\` allows the target: add one with \`from ${client.text}\` instead`;
}
