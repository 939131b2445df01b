/** How to come to the running proxy as one of its clients: where it listens, and from which of our addresses it admits us. */
import type { Address } from '../../address/ip.ts';
import { parseAddress } from '../../address/ip.ts';
import { classifyAddress } from '../../address/special-purpose.ts';
import { parseEndpoint } from '../../config/values.ts';
import type { Patient } from './patient.ts';

export interface ProxyListener {
  readonly address: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Addresses of this machine that lead to it. */
  readonly reachable: readonly Address[];
}

/** A way in: to that address and port, from that address of ours. */
export interface Entry {
  readonly address: Address;
  readonly port: number;
  readonly from: Address;
  readonly isTls: boolean;
}

/** Where the proxy listens: as it says itself where it can be asked, else as the configuration has it. */
export function listenersOf({ config, running, sources }: Patient): readonly ProxyListener[] {
  const bound = running.status?.listen.flatMap((text) => {
    const endpoint = parseEndpoint(text);
    return endpoint.ok ? [endpoint.value] : [];
  });
  return (bound ?? config.listen).map(({ address, port }, index) => ({
    address,
    port,
    isTls: (config.listen[index]?.tls ?? null) !== null,
    reachable: reachableFor(address, sources.ownAddresses()),
  }));
}

function reachableFor(listen: string, own: readonly Address[]): readonly Address[] {
  const bound = parseAddress(listen);
  if (!bound) return [];
  const loopback = ['127.0.0.1', '::1'].flatMap((text) => parseAddress(text) ?? []);
  const all = [...loopback.slice(0, 1), ...own.filter(isUsable), ...loopback.slice(1)];
  if (classifyAddress(bound) !== 'unspecified') {
    const isOurs = classifyAddress(bound) === 'loopback' || own.some(({ text }) => text === bound.text);
    return isOurs ? [bound] : [];
  }
  return bound.family === 6 ? all : all.filter(({ family }) => family === 4);
}

/** Link-local addresses need a zone to be dialled. */
function isUsable(address: Address): boolean {
  return ['public', 'private'].includes(classifyAddress(address));
}

/** The first way in by which this machine is a client that is admitted, without TLS if there is one; null: there is none. */
export function findEntry(patient: Patient): Entry | null {
  const { networks } = patient.snapshot.policy;
  const ways = listenersOf(patient)
    .toSorted((a, b) => Number(a.isTls) - Number(b.isTls))
    .flatMap(({ port, isTls, reachable }) =>
      reachable.flatMap((address) => sourcesFor(address, patient).map((from) => ({ address, port, from, isTls }))),
    );
  return ways.find(({ from }) => networks.has(from)) ?? null;
}

/** To loopback one comes from loopback; to an address of ours from any of them. */
function sourcesFor(address: Address, { sources }: Patient): readonly Address[] {
  if (classifyAddress(address) === 'loopback') return [address];
  return [address, ...sources.ownAddresses().filter((own) => own.family === address.family && isUsable(own))];
}
