/**
 * Listening sockets that systemd opened for this process (sd_listen_fds): they outlive it, so that a restart refuses no
 * connection. Such a socket has to be one that `listen` names, for the unit is not to admit what the configuration does not.
 */
import { parseAddress } from '../address/ip.ts';
import { classifyAddress } from '../address/special-purpose.ts';

/** The first descriptor that is passed. */
const firstDescriptor = 3;

/** The descriptors passed to the process of this id, in the order of the unit's `ListenStream=` lines. */
export function passedDescriptors(env: NodeJS.ProcessEnv, pid: number): readonly number[] {
  const count = Number(env['LISTEN_FDS'] ?? 0);
  // They are meant for one process alone; its children inherit the words and not the sockets.
  if (Number(env['LISTEN_PID']) !== pid || !Number.isInteger(count)) return [];
  return Array.from({ length: count }, (_, index) => firstDescriptor + index);
}

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Whether a socket bound so is what `listen` asks for: systemd binds a bare port to `[::]`, which takes IPv4 as well. */
export function isSocketFor(listen: Endpoint, bound: Endpoint): boolean {
  if (listen.port !== bound.port && listen.port !== 0) return false;
  const asked = parseAddress(listen.address);
  const found = parseAddress(bound.address);
  if (asked === null || found === null) return false;
  if (asked.text === found.text) return true;
  return found.text === '::' && classifyAddress(asked) === 'unspecified';
}
