/** Bare sockets, which the platform of the tests has to have. */
import type { BareSockets } from '../../src/proxy/bare-sockets.ts';
import { findBareSockets } from '../../src/proxy/bare-sockets.ts';

export function bareSockets(): BareSockets {
  const bare = findBareSockets();
  if (!bare) throw new Error('no bare sockets here');
  return bare;
}
