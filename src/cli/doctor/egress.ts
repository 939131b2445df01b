/** What became of the way to one destination, and who on it has to be asked where it ended early. */
import { hostPort } from '../../address/ip.ts';
import type { ProxyError } from '../../errors.ts';
import { clockFix } from './clock.ts';
import type { Finding } from './finding.ts';
import { about } from './finding.ts';
import type { Patient } from './patient.ts';
import type { Tried } from './way-out.ts';

const say = about('network', 'egress');

/** One finding; none where there was nothing to dial, which the look-up has told. */
export function tellEgress(
  patient: Patient,
  { destination, explanation, addresses, reached }: Tried,
): readonly Finding[] {
  if (!reached) return [];
  const { need, host, port } = destination;
  const { parent } = patient.snapshot;
  const isDirect = !parent || explanation.way === 'direct';
  const [first] = addresses;
  const to =
    isDirect && first
      ? `${host} (${hostPort(first.text, port)})`
      : `${hostPort(host, port)} through ${parent?.url ?? ''}`;
  switch (reached.at) {
    case 'connect':
      if (!isDirect) return [say.unseen(`${need}: the parent proxy was not reached`, 'see `parent` above')];
      return [tellConnect(reached.error, `${need}: ${to}`, first?.text ?? host, port)];
    case 'parent': {
      const { status, phrase } = reached.answer;
      const fix = status === 407 ? 'see `parent` above' : `ask whoever runs ${parent?.url ?? ''} to let it out`;
      return [say.fail(`${need}: ${to}: the parent proxy answered ${status} ${phrase}`.trimEnd(), fix)];
    }
    case 'tls':
      return [tellHandshake(reached.error, `${need}: ${to}`, host)];
    default:
      return [tellCertificate(reached.certificateError, reached.issuer, `${need}: ${to}`, host)];
  }
}

function tellConnect(error: ProxyError, what: string, address: string, port: number): Finding {
  if (error.reason === 'connect_timeout') {
    const fix =
      `something drops the packets. Outbound TCP ${port} from this machine has to be open in the network security ` +
      `groups of its interface and of its subnet (deploy/nsg/README.md; with rules for Storage.REGION alone, try an ` +
      `account of that region: doctor --host NAME); its subnet needs a NAT gateway or another explicit way out; and ` +
      `no route may lead 0.0.0.0/0 elsewhere`;
    return say.fail(`${what}: connect timed out`, fix);
  }
  if (error.reason === 'connect_refused') {
    return say.fail(
      `${what}: connection refused`,
      `a firewall on the way answers for ${address}: let TCP ${port} out there`,
    );
  }
  return say.fail(
    `${what}: ${error.phrase}`,
    'this machine has no route there: look at `ip route`, it needs a default route',
  );
}

/** The connection stood, so that packets pass; somebody looks into them, or nobody is there any more. */
function tellHandshake(error: ProxyError, what: string, host: string): Finding {
  const code = error.cause instanceof Error && 'code' in error.cause ? String(error.cause.code) : '';
  if (code.startsWith('ERR_SSL')) {
    // A server that asks for a client certificate may end the handshake so; that is after it was reached.
    const fix = `look at it by hand: openssl s_client -connect ${host}:443 -servername ${host}`;
    return say.warn(`${what}: reached, but TLS ended with ${code}`, fix);
  }
  const fix =
    `a firewall on the way that goes by names cuts it: let ${host} through it. If only large packets are lost, ` +
    `lower the MTU of the interface`;
  return say.fail(`${what}: connected, but no TLS: ${error.phrase}`, fix);
}

function tellCertificate(error: string | null, issuer: string, what: string, host: string): Finding {
  if (error === null) return say.ok(`${what}, certificate by ${issuer}`);
  if (error === 'CERT_NOT_YET_VALID' || error === 'CERT_HAS_EXPIRED') {
    const told = error === 'CERT_HAS_EXPIRED' ? 'has expired' : 'is not valid yet';
    return say.fail(`${what}: by the clock of this machine its certificate ${told}`, clockFix);
  }
  const fix =
    `the clients see the same and refuse it. A firewall on the way opens TLS and shows a certificate of its own: exempt ` +
    `${host} from inspection there, as Microsoft asks for Azure endpoints`;
  return say.fail(`${what}: certificate by ${issuer} does not hold (${error})`, fix);
}
