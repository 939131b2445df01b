/**
 * Azure's instance metadata: what this machine is, and tokens of its managed identity. Always asked directly, never
 * through a proxy, and only on a machine that is Azure's.
 */
import { readFile } from 'node:fs/promises';

/** Where the service answers; Microsoft: "Azure Instance Metadata Service". */
export const metadataBase = 'http://169.254.169.254';
/** Where Linux tells the chassis asset tag. */
export const assetTagFile = '/sys/class/dmi/id/chassis_asset_tag';
/** The chassis asset tag of every Azure virtual machine (cloud-init's Azure data source knows it by the same). */
const azureAssetTag = '7783-7084-3265-9085-8269-3286-77';

const maxBytes = 1_048_576;
/** For one answer; the service is one hop away, but a token may be fetched from afar. In milliseconds. */
const timeoutMs = 10_000;

/** Whether an asset tag is that of an Azure virtual machine. */
export function isAzureAssetTag(text: string): boolean {
  return text.trim() === azureAssetTag;
}

/** Whether this machine is an Azure virtual machine; anywhere else the metadata address may be anybody's. */
export async function isAzureMachine(file = assetTagFile): Promise<boolean> {
  try {
    return isAzureAssetTag(await readFile(file, 'utf8'));
  } catch {
    return false;
  }
}

/** Where a machine belongs, as requests to the Azure Resource Manager name it. */
export interface MachinePlace {
  readonly subscriptionId: string;
  readonly location: string;
}

/** Asks for subscription and region (version 2021-02-01). @throws Error that says in a line what failed */
export async function readMachinePlace(base: string): Promise<MachinePlace> {
  const compute = await ask(`${base}/metadata/instance/compute?api-version=2021-02-01`);
  const { subscriptionId, location } = compute;
  // Both become part of a URL: nothing but what such names hold may get there.
  if (typeof subscriptionId !== 'string' || !/^[0-9a-f-]{36}$/i.test(subscriptionId)) {
    throw new Error('instance metadata names no subscription');
  }
  if (typeof location !== 'string' || !/^[a-z0-9]+$/i.test(location)) {
    throw new Error('instance metadata names no region');
  }
  return { subscriptionId, location };
}

/**
 * A token of the machine's managed identity for a resource (version 2018-02-01). It is a secret: for a header, never
 * for a message. @throws Error that says in a line what failed
 */
export async function readIdentityToken(base: string, resource: string): Promise<string> {
  const query = `api-version=2018-02-01&resource=${encodeURIComponent(resource)}`;
  const { access_token: token } = await ask(`${base}/metadata/identity/oauth2/token?${query}`, 'assign one to it');
  if (typeof token !== 'string' || !/^[\w.~+/-]+=*$/.test(token)) throw new Error('instance metadata gives no token');
  return token;
}

async function ask(url: string, remedy: string | null = null): Promise<Readonly<Record<string, unknown>>> {
  // Loaded here, so that a start that asks for nothing does not wait for it.
  const { httpGet } = await import('./http-get.ts');
  const { status, body } = await httpGet(url, { headers: { Metadata: 'true' }, timeoutMs, maxBytes }).catch(
    (error: Error) => {
      throw new Error(`instance metadata does not answer: ${error.message}`, { cause: error });
    },
  );
  // 400 is what a machine without managed identity gets for a token.
  if (status === 400 && remedy !== null) throw new Error(`this machine has no managed identity; ${remedy}`);
  if (status !== 200) throw new Error(`instance metadata answered ${status}`);
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Told below: what it said instead may hold a token, and helps nobody.
  }
  throw new Error('instance metadata answered what is no JSON object');
}
