/** From a target to a connected destination, in the order of judgement: rules, DNS, every address, connect. */
import type { Socket } from 'node:net';
import type { Address } from '../address/ip.ts';
import { hostPort } from '../address/ip.ts';
import { ProxyError } from '../errors.ts';
import type { AddressDecision, JudgedAddress, Machine, Pending, Question, Refusal } from '../policy/decide.ts';
import type { Target } from '../message/request-target.ts';
import { decideTarget, judgeAddresses } from '../policy/decide.ts';
import { missesUserFor } from '../policy/users-challenge.ts';
import { addressesAround, judgeByName } from '../policy/parent-way.ts';
import type { Rule } from '../policy/rule.ts';
import type { Dialled } from '../policy/server-name.ts';
import type { ParentProxy } from '../state/parent-proxy.ts';
import type { Sender } from './authenticate.ts';
import { challengeMissing } from './authenticate.ts';
import { dialBy } from './dial.ts';
import type { Exchange } from './exchange.ts';
import type { ParentDeps } from './parent.ts';
import { passParent } from './parent.ts';
import type { Resolve } from './resolve.ts';
import type { Connect, TunnelSocket } from './tunnel-socket.ts';

/** `S` is what a destination is connected by; a parent is always spoken to over a `net.Socket`. */
export interface ReachDeps<S extends TunnelSocket> extends ParentDeps {
  readonly connect: Connect<S>;
  readonly resolve: Resolve;
  readonly machine: Machine;
}

/** A destination that was judged and answered, or the parent on the way to it; its socket is paused. */
export interface Destination<S extends TunnelSocket> {
  readonly socket: S;
  readonly judged: Dialled;
  /** The parent that the request itself is to be sent to, in absolute-form; null: the socket leads to the destination. */
  readonly asking: ParentProxy | null;
  /** How its socket came about: `kept` has carried requests before, and may be closed at the other end by now. */
  readonly way: 'dialled' | 'kept' | 'parent';
}

/** Gives a connection to one of the addresses judged for a target that is open already. */
export interface Kept<S extends TunnelSocket> {
  take(
    target: Target,
    addresses: readonly JudgedAddress[],
  ): { readonly socket: S; readonly judged: JudgedAddress } | null;
}

/**
 * Judges the question and connects, filling the exchange's record as it goes; `sender` is the request as it came.
 * @throws ProxyError with the reason of the step that ended it, at once or through the promise.
 */
export function reach<S extends TunnelSocket>(
  exchange: Exchange,
  question: Question,
  sender: Sender,
  deps: ReachDeps<S>,
  kept: Kept<S> | null = null,
): Promise<Destination<S | Socket>> {
  const { policy, parent } = exchange.snapshot;
  const pending = decideTarget(policy, question);
  if (pending.verdict === 'refuse') throw refusal(exchange, pending);

  const named = judgeByName(parent, policy, question, pending);
  if (parent && named) {
    if (pending.wouldDeny) noteWouldDeny(exchange, pending.wouldDeny);
    const judged = { address: null, rule: named.rule };
    return throughParent(exchange, parent, question, judged, sender, deps);
  }
  const { address, host } = question.target;
  const found = address ? [address] : lookUp(exchange, host, pending, deps);
  const go = (addresses: readonly Address[]) => reachJudged(exchange, question, pending, addresses, sender, deps, kept);
  // To wait for what is known costs as much as to judge it.
  return found instanceof Promise ? found.then(go) : go(found);
}

/** Judges the addresses and connects, by way of the parent where the target is not around it. */
function reachJudged<S extends TunnelSocket>(
  exchange: Exchange,
  question: Question,
  pending: Pending,
  found: readonly Address[],
  sender: Sender,
  deps: ReachDeps<S>,
  kept: Kept<S> | null,
): Promise<Destination<S | Socket>> {
  const { parent } = exchange.snapshot;
  const { addresses } = judge(exchange, question, pending, found, sender, deps);
  const around = addressesAround(parent, question, addresses);
  // A virtual network always has IPv4.
  const judged = addresses.find(({ address }) => address.family === 4) ?? addresses[0];
  if (parent && judged && around.length === 0) return throughParent(exchange, parent, question, judged, sender, deps);
  const open = kept?.take(question.target, around);
  if (!open) return connect(exchange, deps.connect, around, question.target.port);
  exchange.record.connectMs = 0;
  noteWay(exchange, hostPort(open.judged.address.text, question.target.port), open.judged.rule);
  return Promise.resolve({ ...open, asking: null, way: 'kept' });
}

/** Connects to the destination itself. */
async function connect<S extends TunnelSocket>(
  exchange: Exchange,
  by: Connect<S>,
  addresses: readonly JudgedAddress[],
  port: number,
): Promise<Destination<S | Socket>> {
  const started = performance.now();
  try {
    const { snapshot, signal, deadlines } = exchange;
    const { connectMs } = snapshot.config.limits;
    const { socket, judged } = await dialBy(by, deadlines, addresses, port, connectMs, signal);
    noteWay(exchange, hostPort(judged.address.text, port), judged.rule);
    return { socket, judged, asking: null, way: 'dialled' };
  } finally {
    exchange.record.connectMs = elapsedMs(started);
  }
}

/** By way of the parent, which is told the address where that was judged here, else the name. */
async function throughParent(
  exchange: Exchange,
  parent: ParentProxy,
  question: Question,
  judged: Dialled,
  sender: Sender,
  deps: ParentDeps,
): Promise<Destination<Socket>> {
  const { address, rule } = judged;
  noteWay(exchange, address ? hostPort(address.text, question.target.port) : 'parent', rule);
  const started = performance.now();
  try {
    const { socket, isAbsolute } = await passParent(exchange, parent, question, address, sender, deps);
    return { socket, judged, asking: isAbsolute ? parent : null, way: 'parent' };
  } finally {
    exchange.record.connectMs = elapsedMs(started);
  }
}

/** The addresses of a name. @throws `dns_failed` or `dns_timeout` */
function lookUp(
  exchange: Exchange,
  host: string,
  pending: Pending,
  { resolve }: Pick<ReachDeps<never>, 'resolve'>,
): ReturnType<Resolve> {
  const found = resolve(host, exchange.snapshot.config.limits.dnsMs, exchange.signal);
  if (found instanceof Promise) return waitForAnswer(exchange, pending, found);
  exchange.record.dnsMs = 0;
  return found;
}

async function waitForAnswer(
  exchange: Exchange,
  pending: Pending,
  answer: Promise<readonly Address[]>,
): Promise<readonly Address[]> {
  const { record } = exchange;
  const started = performance.now();
  try {
    return await answer;
  } catch (error) {
    // The rule by which the name was looked up at all.
    noteRule(exchange, pending.rules[0] ?? null);
    throw error;
  } finally {
    record.dnsMs = elapsedMs(started);
  }
}

/** Judges every address. @throws the refusal, or `credentials_missing` */
function judge(
  exchange: Exchange,
  question: Question,
  pending: Pending,
  addresses: readonly Address[],
  sender: Sender,
  { machine }: Pick<ReachDeps<never>, 'machine'>,
): Extract<AddressDecision, { verdict: 'allow' }> {
  const { policy } = exchange.snapshot;
  const decision = judgeAddresses(policy, question, pending, addresses, machine);
  if (missesUserFor(policy, question, decision, machine)) throw challengeMissing(exchange, sender, false);
  if (decision.verdict === 'refuse') throw refusal(exchange, decision);
  if (decision.wouldDeny) noteWouldDeny(exchange, decision.wouldDeny);
  noteRule(exchange, decision.addresses[0]?.rule ?? null);
  return decision;
}

/** `address` is what was dialled, or what the parent was asked for; `parent` where it looks the name up itself. */
function noteWay(exchange: Exchange, address: string, rule: Rule | null): void {
  exchange.record.address = address;
  noteRule(exchange, rule);
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
  exchange.record.rule = rule?.place ?? null;
  exchange.record.ruleText = rule?.text ?? null;
}

function elapsedMs(started: number): number {
  return Math.round((performance.now() - started) * 10) / 10;
}
