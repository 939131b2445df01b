/** One destination reached as a tunnel would: a connection there, TLS with a verified certificate, one HEAD for its clock. */
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { hostPort } from '../../address/ip.ts';
import { ProxyError } from '../../errors.ts';
import type { ParentAnswer } from '../../proxy/parent-tunnel.ts';
import { askParent } from '../../proxy/parent-tunnel.ts';
import type { Budget } from '../../proxy/wait-on-socket.ts';
import { leftMs, waitOnSocket } from '../../proxy/wait-on-socket.ts';
import type { Judged } from './judge.ts';
import type { Patient } from './patient.ts';

export type Reached =
  | { readonly at: 'connect'; readonly error: ProxyError }
  | { readonly at: 'parent'; readonly answer: ParentAnswer }
  | { readonly at: 'tls'; readonly error: ProxyError }
  | {
      readonly at: 'end';
      /** Node's word for what is wrong with the certificate; null: nothing is. */
      readonly certificateError: string | null;
      readonly issuer: string;
      /** How far the destination's clock is ahead of ours, in milliseconds; null where it does not say. */
      readonly aheadMs: number | null;
    };

const connectMs = 3500;
const tlsMs = 3000;
const headMs = 2000;
/** Says in logs on the way who asked. */
export const userAgent = 'lockdown-proxy-doctor';

/** Goes the way that the decision names. Nothing is sent but a ClientHello and one HEAD without credentials. */
export async function reach(patient: Patient, judged: Judged, signal: AbortSignal): Promise<Reached> {
  const { host } = judged.destination;
  let socket: Socket;
  try {
    const way = await openWay(patient, judged, budgetOf(connectMs, signal));
    if ('answer' in way) return { at: 'parent', answer: way.answer };
    socket = way.socket;
  } catch (error) {
    if (error instanceof ProxyError) return { at: 'connect', error };
    throw error;
  }
  try {
    const secured = await secure(socket, host, patient.sources.authorities(), budgetOf(tlsMs, signal));
    const { issuer } = secured.getPeerCertificate();
    const name = [issuer?.O, issuer?.CN].flat().find((text) => text !== undefined) ?? 'nobody';
    const certificateError = secured.authorized ? null : nameOf(secured.authorizationError);
    const aheadMs = await readClock(secured, host, budgetOf(headMs, signal), patient.sources.now).catch(() => null);
    secured.destroy();
    return { at: 'end', certificateError, issuer: name, aheadMs };
  } catch (error) {
    if (error instanceof ProxyError) return { at: 'tls', error };
    throw error;
  } finally {
    socket.destroy();
  }
}

function budgetOf(ms: number, signal: AbortSignal): Budget {
  return { endsAt: performance.now() + ms, signal };
}

async function openWay(
  { snapshot, sources }: Patient,
  { destination, explanation, addresses }: Judged,
  budget: Budget,
): Promise<{ readonly socket: Socket } | { readonly answer: ParentAnswer }> {
  const { parent } = snapshot;
  const { host, port } = destination;
  if (!parent || explanation.way === 'direct') {
    const judged = addresses.map((address) => ({ address }));
    const { socket } = await sources.dial(judged, port, leftMs(budget), budget.signal);
    return { socket };
  }
  const [first] = addresses;
  const asked = explanation.way === 'parent_by_name' || !first ? host : first.text;
  const socket = await sources.connectParent(parent, budget);
  const { authorization } = parent;
  const answer = await askParent(
    socket,
    { target: hostPort(asked, port), via: `1.1 ${userAgent}`, authorization },
    budget,
  );
  if (answer.status >= 200 && answer.status < 300) return { socket };
  socket.destroy();
  return { answer };
}

/** Whatever the certificate is: what is wrong with it is told, and nothing secret is sent. */
function secure(socket: Socket, host: string, ca: readonly string[], budget: Budget): Promise<TLSSocket> {
  const secured = connectTls({
    socket,
    host,
    ...(isIP(host) ? {} : { servername: host }),
    ca: [...ca],
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: false,
  });
  return waitOnSocket<TLSSocket>(secured, budget, {
    whom: host,
    begin: (done) => {
      const onSecure = () => done(secured);
      secured.once('secureConnect', onSecure);
      return () => void secured.off('secureConnect', onSecure);
    },
  });
}

/** The Date field has whole seconds: on average half a second is missing. */
function readClock(secured: TLSSocket, host: string, budget: Budget, now: () => number): Promise<number | null> {
  return waitOnSocket<number | null>(secured, budget, {
    whom: host,
    begin: (done) => {
      let text = '';
      const sentAt = now();
      const onData = (bytes: Buffer) => {
        text += bytes.toString('latin1');
        if (!/\r?\n\r?\n/.test(text) && text.length < 16_384) return;
        const date = Date.parse(/^date:[ \t]*(.*?)\r?$/im.exec(text)?.[1] ?? '');
        done(Number.isNaN(date) ? null : date + 500 - (sentAt + now()) / 2);
      };
      secured.on('data', onData);
      secured.write(`HEAD / HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: ${userAgent}\r\nConnection: close\r\n\r\n`);
      return () => void secured.off('data', onData);
    },
  });
}

function nameOf(error: unknown): string {
  if (typeof error === 'string') return error;
  return error instanceof Error && 'code' in error ? String(error.code) : 'not verified';
}
