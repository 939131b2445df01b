/** Through the running proxy as a client: what must be refused is refused, and a name that is allowed gets its tunnel. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { hostPort } from '../../address/ip.ts';
import type { Destination } from './destinations.ts';
import { destinationsOf } from './destinations.ts';
import type { Entry } from './entry.ts';
import { findEntry } from './entry.ts';
import type { Finding } from './finding.ts';
import { about, messageOf } from './finding.ts';
import { judge } from './judge.ts';
import type { Patient } from './patient.ts';
import { userAgent } from './reach.ts';

/** The platform's own addresses (Microsoft: "What is IP address 168.63.129.16?", "Azure Instance Metadata Service"). */
const forbidden = ['168.63.129.16:80', '169.254.169.254:80'] as const;
const maxHeadBytes = 16 * 1024;

interface ProxyAnswer {
  readonly status: number;
  readonly phrase: string;
  /** The reason word of `Proxy-Status`; null where none is given. */
  readonly reason: string | null;
}

/** Whether the proxy refuses the platform's addresses, for no reason but that they are what they are. */
export async function probeForbidden(patient: Patient, signal: AbortSignal): Promise<readonly Finding[]> {
  const say = about('proxy', 'forbidden');
  const entry = findEntry(patient);
  if (!entry)
    return [say.unseen(notAdmitted, 'from a client: curl -sv -x http://PROXY:3128 -p http://169.254.169.254')];
  return Promise.all(
    forbidden.map(async (target) => {
      try {
        const { status, phrase, reason } = await ask(entry, target, signal);
        if (status === 403 && reason === 'azure_platform_address') return say.ok(`${target} is refused`);
        if (status === 407)
          return say.unseen(`this machine has to sign in (${phrase})`, `lockdown-proxy explain ${target}`);
        const fix = `stop that proxy, and look at what listens on ${place(entry)}: it is not lockdown-proxy as shipped`;
        if (status < 300) return say.fail(`a tunnel to ${target} was opened`, fix);
        return say.fail(`${target} is refused for another reason: ${status} ${phrase}`, fix);
      } catch (error) {
        return say.unseen(`${target} could not be asked for: ${messageOf(error)}`, 'see `listener` above');
      }
    }),
  );
}

const notAdmitted = '`networks` admits none of the addresses of this machine, so that it is no client';

/** A tunnel to the first destination that the rules allow, opened and closed again. */
export async function probeTunnel(patient: Patient, signal: AbortSignal): Promise<readonly Finding[]> {
  const say = about('proxy', 'tunnel');
  const entry = findEntry(patient);
  const destination = await firstAllowed(patient, signal);
  if (!destination) {
    return [say.unseen('the rules let none of the known names out', 'lockdown-proxy doctor --host NAME')];
  }
  const target = hostPort(destination.host, destination.port);
  const byHand = `from a client: curl -sv -x http://PROXY:3128 https://${target}`;
  if (!entry) return [say.unseen(notAdmitted, byHand)];
  try {
    const { status, phrase } = await ask(entry, target, signal);
    if (status === 200) return [say.ok(`${target} from ${entry.from.text} through ${place(entry)}`)];
    if (status === 407) return [say.unseen(`this machine has to sign in (${phrase})`, byHand)];
    return [say.fail(`${target}: the proxy answered ${status} ${phrase}`, fixFor(status, target, entry))];
  } catch (error) {
    return [say.fail(`${target} through ${place(entry)}: ${messageOf(error)}`, 'see `process` and `listener` above')];
  }
}

function fixFor(status: number, target: string, { from }: Entry): string {
  if (status === 502 || status === 504) return 'the fault lies beyond the proxy: see `dns` and `egress` below';
  if (status === 503) return 'it drains, or a limit is reached: lockdown-proxy status';
  return `lockdown-proxy explain ${target} --from ${from.text}`;
}

async function firstAllowed(patient: Patient, signal: AbortSignal): Promise<Destination | null> {
  // The firmest name first: sign-in is there in every region.
  const order = ['named', 'sign-in', 'backup', 'storage'];
  const known = destinationsOf(patient.config.cloud, patient.hosts);
  const sorted = known.toSorted((a, b) => order.indexOf(a.need) - order.indexOf(b.need));
  // Whether a rule allows a name is told without looking it up.
  const untouched = { ...patient, sources: { ...patient.sources, resolve: () => Promise.resolve([]) } };
  for (const destination of sorted) {
    const { explanation } = await judge(untouched, destination, signal);
    if (!['not_on_allowlist', 'denied_by_rule', 'credentials_missing'].includes(explanation.reason ?? ''))
      return destination;
  }
  return null;
}

function place({ address, port }: Entry): string {
  return hostPort(address.text, port);
}

/** Sends CONNECT and reads the head of the answer. @throws Error that says in a line why there is none */
async function ask(entry: Entry, target: string, signal: AbortSignal): Promise<ProxyAnswer> {
  const socket = await open(entry, signal);
  try {
    return await new Promise((resolve, reject) => {
      let text = '';
      const fail = (why: string) => reject(new Error(why));
      signal.addEventListener('abort', () => fail('no answer in time'), { once: true });
      socket.on('error', (error) => fail(error.message));
      socket.on('close', () => fail('closed without an answer'));
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
        if (text.length > maxHeadBytes) return fail('an answer without end');
        if (text.includes('\r\n\r\n')) resolve(readAnswer(text));
      });
      socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nUser-Agent: ${userAgent}\r\n\r\n`);
    });
  } finally {
    socket.destroy();
  }
}

function open({ address, port, from, isTls }: Entry, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const plain = connect({ host: address.text, port, localAddress: from.text });
    // Our own listener on our own address: whether its certificate holds is another check's.
    const socket = isTls ? connectTls({ socket: plain, rejectUnauthorized: false }) : plain;
    const fail = (error: Error) => {
      plain.destroy();
      reject(error);
    };
    plain.on('error', fail);
    socket.on('error', fail);
    signal.addEventListener('abort', () => fail(new Error('no connection in time')), { once: true });
    socket.once(isTls ? 'secureConnect' : 'connect', () => resolve(socket));
  });
}

function readAnswer(text: string): ProxyAnswer {
  const [, status = '0', phrase = ''] = /^HTTP\/1\.[01] (\d{3}) ?(.*)\r\n/.exec(text) ?? [];
  const reason = /^proxy-status:.*\bdetails="([a-z_]+)"/im.exec(text)?.[1] ?? null;
  return { status: Number(status), phrase, reason };
}
