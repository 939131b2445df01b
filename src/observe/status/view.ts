/** The figures as the status page shows them: each refusal with what would let it pass, each 407 with its likely cause. */
import type { Snapshot } from '../../state/snapshot.ts';
import { authCause } from '../log-auth-cause.ts';
import { remedyFor } from '../log-remedy.ts';
import type { OpenTunnel, RefusedTarget, StatusFigures } from './figures.ts';

export interface RefusalView {
  readonly kind: string;
  readonly target: string;
  readonly reason: string | null;
  readonly verdict: string;
  readonly count: number;
  readonly lastMs: number;
  readonly clients: readonly string[];
  /** A line for an allowlist file; null where none would help. */
  readonly fixRule: string | null;
  readonly fix: string;
}

export interface AuthView {
  readonly client: string;
  readonly userAgent: string | null;
  readonly challenges: number;
  readonly failures: number;
  readonly successes: number;
  readonly lastMs: number;
  readonly users: readonly string[];
  readonly cause: string;
  readonly advice: string | null;
}

export interface StatusView extends Omit<StatusFigures, 'refusedTargets' | 'auth'> {
  readonly version: string;
  readonly nowMs: number;
  readonly refusals: readonly RefusalView[];
  readonly auth: readonly AuthView[];
}

const maxRefusals = 20;
const maxAuth = 20;
/** A name in DNS has 253 characters; what is longer says nothing more. */
const maxText = 260;

export function createView(version: string) {
  return (figures: StatusFigures, { config, users }: Pick<Snapshot, 'config' | 'users'>, nowMs: number): StatusView => {
    const { refusedTargets, auth, tunnels, ...others } = figures;
    const context = {
      requiredFrom: config.auth.requiredFrom,
      usersFile: config.auth.usersFile,
      isKnownUser: (name: string) => users?.hashes.has(name) ?? null,
      signedIn: new Set(auth.signedIn),
    };
    return {
      ...others,
      version,
      nowMs,
      tunnels: tunnels.map(shortTunnel),
      refusals: refusedTargets.slice(0, maxRefusals).map(viewRefusal),
      auth: auth.clients.slice(0, maxAuth).map((client) => ({
        client: client.client,
        userAgent: short(client.userAgent),
        challenges: client.challenges,
        failures: client.rejected + client.throttled + client.upstream,
        successes: client.successes,
        lastMs: Math.max(client.lastChallenge ?? 0, client.lastFailure ?? 0, client.lastSuccess ?? 0),
        users: [...new Set([...client.rejectedUsers.map(({ name }) => name), ...client.users])].map(cut),
        ...authCause(client, context),
      })),
    };
  };
}

function viewRefusal({ count, lastMs, verdict, clients, said }: RefusedTarget): RefusalView {
  const { rule, advice } = remedyFor(said);
  const { kind, target, path, reason } = said;
  const asked = kind === 'forward' ? `http://${target}${path ?? ''}` : (target ?? 'before a target was read');
  return { kind, target: cut(asked), reason, verdict, count, lastMs, clients, fixRule: rule, fix: advice };
}

function shortTunnel(tunnel: OpenTunnel): OpenTunnel {
  return { ...tunnel, target: short(tunnel.target), userAgent: short(tunnel.userAgent), user: short(tunnel.user) };
}

function short(text: string | null): string | null {
  return text === null ? null : cut(text);
}

function cut(text: string): string {
  return text.length > maxText ? `${text.slice(0, maxText)}...` : text;
}
