/** What this proxy would make of a name: whether a rule allows it, where it leads, and whether that may be dialled. */
import type { Address } from '../../address/ip.ts';
import { hostPort, parseAddress } from '../../address/ip.ts';
import { ProxyError } from '../../errors.ts';
import { createMachine } from '../../state/machine.ts';
import type { Explanation } from '../explain.ts';
import { explain } from '../explain.ts';
import type { Destination } from './destinations.ts';
import type { Patient } from './patient.ts';

export interface Judged {
  readonly destination: Destination;
  readonly explanation: Explanation;
  /** What of the name's addresses may be dialled. */
  readonly addresses: readonly Address[];
  /** Why the look-up brought nothing; null where it did, or none was made. */
  readonly lookUpError: ProxyError | null;
  /** Whether a DNS server said something, be it that there is no such name. */
  readonly wasAnswered: boolean;
}

const dnsMs = 3000;
/** What a DNS server says, in contrast to none that does. */
const answered = new Set(['ENOTFOUND', 'ENODATA']);

/** Decides as `serve` would, for a client that is admitted; the name is looked up only if a rule could allow it. */
export async function judge(patient: Patient, destination: Destination, signal: AbortSignal): Promise<Judged> {
  const { snapshot, config, sources } = patient;
  const machine = createMachine();
  for (const { address, port } of config.listen) machine.addListener(address, port);
  let lookUpError: ProxyError | null = null;
  let wasAnswered = false;
  const resolve = async (host: string) => {
    try {
      const found = await sources.resolve(host, dnsMs, signal);
      wasAnswered = true;
      return found;
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      lookUpError = error;
      wasAnswered = answered.has(codeOf(error));
      throw error;
    }
  };
  const target = hostPort(destination.host, destination.port);
  const asked = { target, from: null, user: null, resolve: null, method: null };
  const { policy, requiredFrom, parent } = snapshot;
  const explanation = await explain(asked, { policy, machine, requiredFrom, parent, resolve });
  const addresses = explanation.addresses
    .filter(({ refusedFor }) => refusedFor === null)
    .flatMap(({ address }) => parseAddress(address) ?? []);
  return { destination, explanation, addresses, lookUpError, wasAnswered };
}

/** The system's word for why a look-up failed. */
export function codeOf({ cause }: ProxyError): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}
