/** The figures of several processes, or of several stretches of time, made one. */
import type { ClientAuth } from '../log-auth.ts';
import type { HistoryPoint, RefusedTarget, StatusFigures } from './figures.ts';
import { maxTunnels } from './figures.ts';

/**
 * Counts are added up. What all processes share (configuration, ranges) is taken from the one that is behind, since a
 * change has arrived when it has arrived everywhere; what only the first knows, from that. @throws Error without any figures
 */
export function mergeFigures(all: readonly StatusFigures[]): StatusFigures {
  const [first, ...others] = all;
  if (!first) throw new Error('no process gave any figures');
  const behind = others.reduce((a, b) => (b.config.generation < a.config.generation ? b : a), first);
  const worst = all.find(({ readiness }) => !readiness.ready) ?? first;
  const tunnels = all.flatMap((figures) => figures.tunnels);
  return {
    readiness: {
      ...worst.readiness,
      details: [...new Set(all.flatMap(({ readiness }) => readiness.details))],
    },
    sinceMs: Math.min(...all.map((figures) => figures.sinceMs)),
    workers: all.flatMap(({ workers }) => workers).sort((a, b) => a.pid - b.pid),
    config: behind.config,
    lastReload: latest(all.map(({ lastReload }) => lastReload)),
    ranges: behind.ranges ?? first.ranges,
    totals: {
      bytesUp: sum(all, ({ totals }) => totals.bytesUp),
      bytesDown: sum(all, ({ totals }) => totals.bytesDown),
      tunnels: sum(all, ({ totals }) => totals.tunnels),
      droppedLines: sum(all, ({ totals }) => totals.droppedLines),
    },
    outcomes: [
      ...Map.groupBy(
        all.flatMap(({ outcomes }) => outcomes),
        ({ verdict, reason }) => `${verdict} ${reason ?? ''}`,
      ).values(),
    ]
      .flatMap((group) => (group[0] ? [{ ...group[0], count: sum(group, ({ count }) => count) }] : []))
      .sort((a, b) => b.count - a.count),
    history: mergeHistory(all.map(({ history }) => history)),
    refusedTargets: mergeRefusedTargets(all.map(({ refusedTargets }) => refusedTargets)),
    auth: mergeAuth(all.map(({ auth }) => auth)),
    tunnels: tunnels.sort((a, b) => b.bytesUp + b.bytesDown - a.bytesUp - a.bytesDown).slice(0, maxTunnels),
  };
}

export function mergeRefusedTargets(all: readonly (readonly RefusedTarget[])[]): readonly RefusedTarget[] {
  const groups = Map.groupBy(all.flat(), ({ said, verdict }) =>
    JSON.stringify([said.kind, said.target, said.reason, verdict]),
  );
  return [...groups.values()]
    .map((group) => {
      const newest = group.reduce((a, b) => (b.lastMs > a.lastMs ? b : a));
      const clients = [...new Set(group.flatMap((entry) => entry.clients))];
      return { ...newest, clients, count: sum(group, ({ count }) => count) };
    })
    .sort((a, b) => b.count - a.count || b.lastMs - a.lastMs);
}

/** A success in one process answers the challenges in the others before it. */
export function mergeAuth(all: readonly StatusFigures['auth'][]): StatusFigures['auth'] {
  const groups = Map.groupBy(
    all.flatMap(({ clients }) => clients),
    ({ client, userAgent }) => `${client} ${userAgent ?? ''}`,
  );
  return {
    clients: [...groups.values()]
      .map((group) => group.reduce(mergeClientAuth))
      .sort((a, b) => troubles(b) - troubles(a)),
    signedIn: [...new Set(all.flatMap(({ signedIn }) => signedIn))],
  };
}

function mergeClientAuth(a: ClientAuth, b: ClientAuth): ClientAuth {
  const lastSuccess = later(a.lastSuccess, b.lastSuccess);
  const open = ({ unanswered, lastChallenge }: ClientAuth) =>
    (lastChallenge ?? -Infinity) > (lastSuccess ?? -Infinity) ? unanswered : 0;
  const newer = (b.lastChallenge ?? 0) > (a.lastChallenge ?? 0) ? b : a;
  const users = new Map([...a.rejectedUsers, ...b.rejectedUsers].map((user) => [user.name, user]));
  return {
    client: a.client,
    userAgent: a.userAgent,
    challenges: a.challenges + b.challenges,
    unanswered: open(a) + open(b),
    rejected: a.rejected + b.rejected,
    throttled: a.throttled + b.throttled,
    upstream: a.upstream + b.upstream,
    successes: a.successes + b.successes,
    lastChallenge: later(a.lastChallenge, b.lastChallenge),
    lastFailure: later(a.lastFailure, b.lastFailure),
    lastSuccess,
    rejectedUsers: [...users.values()],
    users: [...new Set([...a.users, ...b.users])],
    otherSchemes: [...new Set([...a.otherSchemes, ...b.otherSchemes])],
    challenge: newer.challenge,
  };
}

function troubles({ challenges, rejected, throttled, upstream }: ClientAuth): number {
  return challenges + rejected + throttled + upstream;
}

function mergeHistory(all: readonly (readonly HistoryPoint[])[]): readonly HistoryPoint[] {
  return [...Map.groupBy(all.flat(), ({ atMs }) => atMs)]
    .map(([atMs, points]) => ({
      atMs,
      up: sum(points, ({ up }) => up),
      down: sum(points, ({ down }) => down),
      open: sum(points, ({ open }) => open),
      allowed: sum(points, ({ allowed }) => allowed),
      refused: sum(points, ({ refused }) => refused),
      failed: sum(points, ({ failed }) => failed),
    }))
    .sort((a, b) => a.atMs - b.atMs);
}

function latest(reloads: readonly StatusFigures['lastReload'][]): StatusFigures['lastReload'] {
  return reloads.reduce((a, b) => ((b?.atMs ?? 0) > (a?.atMs ?? 0) ? b : a), null);
}

function later(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}

function sum<T>(all: readonly T[], of: (entry: T) => number): number {
  return all.reduce((total, entry) => total + of(entry), 0);
}
