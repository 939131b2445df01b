/**
 * The tunnels that flow: listed, closed one by one, and judged again when the rules have changed under them. A request
 * of plain http may take as long as a tunnel, and is judged again as well.
 */
import type { Machine, Refusal } from '../policy/decide.ts';
import { refuse } from '../policy/decide.ts';
import { rejudgeTunnel } from '../policy/rejudge.ts';
import type { AdmittedTunnel } from '../policy/rejudge.ts';
import type { Snapshot } from '../state/snapshot.ts';
import type { Exchange, ExchangeRegistry } from './exchange.ts';

export interface LiveTunnels {
  list(): readonly Exchange[];
  /** Closes one by the id of its exchange; false if no such tunnel flows. */
  close(id: string): boolean;
  /** Closes the tunnel or request if the rules in force refuse it and it was judged by others; gives whether it did. */
  recheck(exchange: Exchange): boolean;
  /** The same for all of them; gives how many were closed. */
  recheckAll(): number;
}

export interface LiveTunnelsDeps {
  readonly all: ExchangeRegistry['all'];
  readonly current: () => Snapshot;
  readonly machine: Machine;
}

export function createLiveTunnels({ all, current, machine }: LiveTunnelsDeps): LiveTunnels {
  const list = () => [...all()].filter(({ admitted }) => admitted?.question.kind === 'tunnel');

  function recheck(exchange: Exchange): boolean {
    const snapshot = current();
    const { closeRefused } = snapshot.config.reload;
    if (exchange.admitted === null || exchange.snapshot === snapshot || closeRefused === 'none') return false;
    const refusal = refusalOf(exchange.admitted, exchange.snapshot, snapshot, machine);
    if (refusal === null || (closeRefused === 'denied' && !isDenied(refusal))) return false;
    exchange.record.hint = `the rules after a reload refuse it: ${refusal.phrase}`;
    exchange.abort('reload');
    return true;
  }

  return {
    list,
    close(id) {
      const found = list().find(({ record }) => record.id === id);
      if (!found) return false;
      found.abort('operator');
      return true;
    },
    recheck,
    recheckAll: () => [...all()].filter(recheck).length,
  };
}

/** A user who was taken out of the users file is refused before the rules are asked, as at a new request. */
function refusalOf(tunnel: AdmittedTunnel, before: Snapshot, now: Snapshot, machine: Machine): Refusal | null {
  const { user } = tunnel.question;
  // A user that no file ever knew signed in by other means, and those are not changed by it.
  if (user !== null && before.users?.hashes.has(user) === true && now.users?.hashes.has(user) !== true) {
    return refuse('credentials_rejected', `: user ${user} was removed`);
  }
  return rejudgeTunnel(now.policy, tunnel, machine);
}

function isDenied({ reason }: Refusal): boolean {
  return reason === 'denied_by_rule' || reason === 'credentials_rejected';
}
