/** The Service Tag Discovery API: the ranges as the Azure Resource Manager gives them to who has an identity there. */
import { httpGet } from './http-get.ts';
import { isAzureMachine, readIdentityToken, readMachinePlace } from './instance-metadata.ts';
import type { SourceDeps } from './range-sources.ts';

/** The whole answer has a handful of pages. */
const maxPages = 50;

/**
 * Fetches every page with a token of this machine's managed identity (Microsoft: "Service Tags - List", 2025-05-01).
 * The token comes from this machine's own metadata, which no proxy may stand before.
 * @throws Error that says in a line what failed and what would help
 */
export async function fetchDiscoveryPages({ endpoints, budget, parent }: SourceDeps): Promise<readonly string[]> {
  const { arm, metadata, assetTagFile } = endpoints;
  if (!(await isAzureMachine(assetTagFile))) {
    throw new Error('this is no Azure machine, so there is no managed identity to ask with');
  }
  const { subscriptionId, location } = await readMachinePlace(metadata);
  const token = await readIdentityToken(metadata, `${arm}/`);
  const path = `subscriptions/${subscriptionId}/providers/Microsoft.Network/locations/${location}/serviceTags`;
  const pages: string[] = [];
  const visited = new Set<string>();
  let left = budget.maxBytes;
  let next: string | null = `${arm}/${path}?api-version=2025-05-01`;
  while (next !== null) {
    if (visited.has(next)) throw new Error('its pages link in a circle');
    if (visited.size === maxPages) throw new Error(`more than ${maxPages} pages`);
    visited.add(next);
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
    const { status, body } = await httpGet(next, { headers, parent, timeoutMs: budget.timeoutMs, maxBytes: left });
    if (status !== 200) throw new Error(explainStatus(status));
    pages.push(body);
    left -= Buffer.byteLength(body);
    next = readNextLink(body, arm);
  }
  return pages;
}

function explainStatus(status: number): string {
  if (status === 401)
    return 'answered 401: it does not take the token; is the machine in the cloud of the configuration?';
  if (status === 403) {
    return 'answered 403: give the managed identity the role Reader (Microsoft.Network/locations/serviceTags/read)';
  }
  return `answered ${status}`;
}

/** The next page, which gets the token: no other host than the first one may. */
function readNextLink(body: string, arm: string): string | null {
  let page: unknown;
  try {
    page = JSON.parse(body);
  } catch {
    throw new Error('answered what is not JSON');
  }
  const link = typeof page === 'object' && page !== null && 'nextLink' in page ? page.nextLink : null;
  if (link === null || link === '') return null;
  const url = typeof link === 'string' ? URL.parse(link) : null;
  if (url === null || url.origin !== new URL(arm).origin) throw new Error('its next page lies on another host');
  return url.href;
}
