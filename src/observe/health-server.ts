/** The health listener: one word for a load balancer, and a PAC file for the application machines. */
import type { IncomingMessage } from 'node:http';
import { parseAddress } from '../address/ip.ts';
import type { Endpoint } from '../config/values.ts';
import { parseHost } from '../message/request-target.ts';
import type { Rule } from '../policy/rule.ts';
import type { Snapshot } from '../state/snapshot.ts';
import type { AnswerServer } from './answer-server.ts';
import { openAnswerServer, plainText } from './answer-server.ts';
import { writePac } from './pac.ts';
import type { Phase } from './readiness.ts';

export interface HealthDeps {
  readonly phase: () => Phase;
  readonly current: () => Pick<Snapshot, 'policy' | 'config'>;
  readonly rules: () => readonly Rule[];
  /** The port on which clients connect. */
  readonly proxyPort: () => number;
  readonly onBug: (error: unknown) => void;
}

/** Where Azure's load balancer probes from, in every virtual network. */
const azureProbe = '168.63.129.16';

/** Opens the health listener. @throws the system's error when the address cannot be bound */
export function openHealthServer(listen: Endpoint, deps: HealthDeps): Promise<AnswerServer> {
  const { phase, current, rules, proxyPort, onBug } = deps;
  return openAnswerServer(listen, {
    admits: ({ remoteAddress = '' }) => isAdmitted(remoteAddress, current()),
    pages: {
      '/healthz': () => plainText(200, 'ok'),
      '/readyz': () => plainText(phase() === 'ready' ? 200 : 503, phase()),
      '/proxy.pac': (request) => {
        const host = askedHost(request);
        const [first] = current().config.listen;
        const proxy = `${first?.tls ? 'HTTPS' : 'PROXY'} ${host}:${proxyPort()}`;
        return {
          status: 200,
          contentType: 'application/x-ns-proxy-autoconfig',
          body: writePac(rules(), proxy),
        };
      },
    },
    onBug,
  });
}

/** Whether this address may ask: the clients of the proxy and the probe of the platform. */
export function isAdmitted(text: string, { policy }: Pick<Snapshot, 'policy'>): boolean {
  const address = parseAddress(text);
  return address !== null && (address.text === azureProbe || policy.networks.has(address));
}

/** Who found the PAC file under a name finds the proxy under it too, balancer in between or not. */
function askedHost({ headers, socket }: IncomingMessage): string {
  const parsed = parseHost((headers.host ?? '').replace(/:\d+$/, ''));
  const own = parseAddress(socket.localAddress ?? '');
  const address = parsed.ok ? parsed.value.address : own;
  if (address?.family === 6) return `[${address.text}]`;
  return parsed.ok ? parsed.value.host : (own?.text ?? '');
}
