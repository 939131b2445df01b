/** The parent proxy, where one is configured: whether it is reached, and takes our credential. */
import { hostPort } from '../../address/ip.ts';
import { ProxyError } from '../../errors.ts';
import { askParent } from '../../proxy/parent-tunnel.ts';
import { destinationsOf } from './destinations.ts';
import type { Finding } from './finding.ts';
import { about } from './finding.ts';
import type { Patient } from './patient.ts';
import { userAgent } from './reach.ts';

const say = about('network', 'parent');
const budgetMs = 8000;

export async function probeParent(
  { snapshot, config, sources, hosts }: Patient,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { parent } = snapshot;
  if (!parent) return [];
  const [first] = destinationsOf(config.cloud, hosts).toReversed();
  if (!first) return [];
  const target = hostPort(first.host, first.port);
  const credential =
    parent.authorization === null ? 'without credential' : 'with the credential of `upstream.credentialsFile`';
  try {
    const budget = { endsAt: performance.now() + budgetMs, signal };
    const socket = await sources.connectParent(parent, budget);
    const { status, phrase } = await askParent(
      socket,
      { target, via: `1.1 ${userAgent}`, authorization: parent.authorization },
      budget,
    );
    socket.destroy();
    const answered = `${parent.url} answered ${status} ${phrase}`.trimEnd();
    if (status >= 200 && status < 300) return [say.ok(`${parent.url} opens a tunnel to ${target}, ${credential}`)];
    if (status === 407) {
      const fix =
        parent.authorization === null
          ? 'write user:password to a file of mode 0600 and name it: upstream: { credentialsFile: ./parent-credential }'
          : `put the right user:password into ${config.upstream.credentialsFile ?? 'the file'}; a running proxy takes it up`;
      return [say.fail(`${answered}, ${credential}`, fix)];
    }
    return [say.warn(`${answered} for ${target}`, `ask whoever runs it to let ${first.host} out for this machine`)];
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    const fix = `see that it runs, and that TCP ${parent.port} to it is open in the network security groups on both sides`;
    return [say.fail(`${parent.url}: ${error.phrase}`, fix)];
  }
}
