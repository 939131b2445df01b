/**
 * The admin listener: metrics and health for who operates this machine. It asks for no password, so it keeps to
 * loopback unless configured otherwise, and a web page that points its own name at it (DNS rebinding) gets nothing.
 */
import type { IncomingMessage } from 'node:http';
import { classifyAddress } from '../address/special-purpose.ts';
import type { Endpoint } from '../config/values.ts';
import { parseHost } from '../message/request-target.ts';
import type { Machine } from '../policy/decide.ts';
import type { AnswerServer, TextAnswer } from './answer-server.ts';
import { openAnswerServer, plainText } from './answer-server.ts';
import type { Metrics } from './metrics.ts';
import type { ReadinessSources } from './readiness.ts';
import { readinessOf } from './readiness.ts';
import type { EventStream } from './status/event-stream.ts';
import { readPageFiles } from './status/page-files.ts';

export interface AdminDeps {
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  readonly readiness: ReadinessSources;
  /** What the status page follows. */
  readonly events: Pick<EventStream, 'add'>;
  readonly machine: Pick<Machine, 'isOwnAddress'>;
  readonly onBug: (error: unknown) => void;
}

/** Opens the admin listener. @throws the system's error when the address cannot be bound */
export function openAdminServer(listen: Endpoint, deps: AdminDeps): Promise<AnswerServer> {
  const { metrics, readiness, events, machine, onBug } = deps;
  return openAnswerServer(listen, {
    pages: {
      ...readPageFiles(),
      '/': () => ({ ...plainText(302, 'the status page is at /status'), fields: { Location: '/status' } }),
      '/healthz': () => plainText(200, 'ok'),
      '/metrics': async () => ({ status: 200, contentType: metrics.contentType, body: await metrics.text() }),
      '/readyz': () => {
        const state = readinessOf(readiness);
        const body = `${JSON.stringify(state)}\n`;
        return { status: state.ready ? 200 : 503, contentType: 'application/json', body };
      },
    },
    streams: { '/status/events': (response) => events.add(response) },
    refuses: (request) => refuseHost(request, listen, machine),
    onBug,
  });
}

/** A browser always says under which name it came; other than ours means that somebody else gave us that name. */
function refuseHost(
  request: IncomingMessage,
  listen: Endpoint,
  machine: Pick<Machine, 'isOwnAddress'>,
): TextAnswer | null {
  const hosts = request.headersDistinct['host'] ?? [];
  // HTTP/1.0 may come without; the parser has refused that of everybody else.
  if (hosts.length === 0) return null;
  if (hosts.length === 1 && isOwnHost(hosts[0] ?? '', listen, machine)) return null;
  return plainText(421, 'this listener answers to localhost and to its own addresses alone');
}

function isOwnHost(field: string, listen: Endpoint, machine: Pick<Machine, 'isOwnAddress'>): boolean {
  const parsed = parseHost(field.replace(/:\d+$/, ''));
  if (!parsed.ok) return false;
  const { host, address } = parsed.value;
  if (address === null) return host === 'localhost';
  return classifyAddress(address) === 'loopback' || address.text === listen.address || machine.isOwnAddress(address);
}
