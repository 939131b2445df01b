/** From a target to a connected destination, in the order of judgement: rules, DNS, every address, connect. */
import type { Socket } from 'node:net';
import { hostPort } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import type { JudgedAddress, Machine, Question, Refusal } from '../policy/decide.ts';
import { decideTarget, judgeAddresses } from '../policy/decide.ts';
import type { Rule } from '../policy/rule.ts';
import { dial } from './dial.ts';
import type { Exchange } from './exchange.ts';
import type { Resolve } from './resolve.ts';

export interface ReachDeps {
  readonly resolve: Resolve;
  readonly machine: Machine;
}

/** A destination that was judged and answered; its socket is paused. */
export interface Destination {
  readonly socket: Socket;
  readonly judged: JudgedAddress;
}

/**
 * Judges the question and connects, filling the exchange's record as it goes.
 * @throws ProxyError with the reason of the step that ended it.
 */
export async function reach(exchange: Exchange, question: Question, deps: ReachDeps): Promise<Destination> {
  const { record, snapshot, signal } = exchange;
  const { policy } = snapshot;
  const { limits } = snapshot.config;
  const { target } = question;

  const pending = decideTarget(policy, question);
  if (pending.verdict === 'refuse') throw refusal(exchange, pending);

  let addresses = target.address ? [target.address] : [];
  if (!target.address) {
    const started = performance.now();
    try {
      addresses = [...(await deps.resolve(target.host, limits.dnsMs, signal))];
    } finally {
      record.dnsMs = elapsedMs(started);
    }
  }

  const decision = judgeAddresses(policy, question, pending, addresses, deps.machine);
  if (decision.verdict === 'refuse') throw refusal(exchange, decision);
  if (decision.wouldDeny) noteWouldDeny(exchange, decision.wouldDeny);
  noteRule(exchange, decision.addresses[0]?.rule ?? null);

  const started = performance.now();
  try {
    const destination = await dial(decision.addresses, target.port, limits.connectMs, signal);
    record.address = hostPort(destination.judged.address.text, target.port);
    noteRule(exchange, destination.judged.rule);
    return destination;
  } finally {
    record.connectMs = elapsedMs(started);
  }
}

/** Turns a refusal into the error that answers it, and notes its rule. */
export function refusal(exchange: Exchange, refused: Refusal): ProxyError {
  noteRule(exchange, refused.rule);
  return new ProxyError(refused.reason, { phrase: refused.phrase });
}

/** Notes what report mode let pass; the first reason stays. */
export function noteWouldDeny(exchange: Exchange, reason: NonNullable<Exchange['record']['wouldDeny']>): void {
  exchange.record.verdict = 'would_deny';
  exchange.record.wouldDeny ??= reason;
  exchange.record.reason ??= reason;
}

function noteRule(exchange: Exchange, rule: Rule | null): void {
  exchange.record.rule = rule ? `${rule.file}:${rule.line}` : null;
  exchange.record.ruleText = rule?.text ?? null;
}

function elapsedMs(started: number): number {
  return Math.round((performance.now() - started) * 10) / 10;
}
