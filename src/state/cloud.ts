/** Which Azure cloud this machine is in, for `cloud: auto`. */
import { readFile } from 'node:fs/promises';
import type { Cloud } from '../config/config.ts';
import { assetTagFile, isAzureAssetTag, metadataBase } from './instance-metadata.ts';

/** Microsoft: "Azure Instance Metadata Service", version 2021-02-01. */
const metadataUrl = `${metadataBase}/metadata/instance/compute/azEnvironment?api-version=2021-02-01&format=text`;

const clouds: ReadonlyMap<string, Cloud> = new Map([
  ['AzurePublicCloud', 'public'],
  ['AzureUSGovernmentCloud', 'usgov'],
  ['AzureChinaCloud', 'china'],
]);

export interface CloudDeps {
  readonly readAssetTag?: () => Promise<string>;
  readonly getEnvironment?: () => Promise<string>;
}

/**
 * Asks instance metadata where this machine is an Azure VM; anywhere else, and when it does not answer within a
 * second, the public cloud is meant. Elsewhere the metadata address is not contacted at all.
 */
export async function detectCloud(deps: CloudDeps = {}): Promise<Cloud> {
  const readAssetTag = deps.readAssetTag ?? (() => readFile(assetTagFile, 'utf8'));
  const getEnvironment = deps.getEnvironment ?? askMetadata;
  try {
    if (!isAzureAssetTag(await readAssetTag())) return 'public';
    return clouds.get((await getEnvironment()).trim()) ?? 'public';
  } catch {
    return 'public';
  }
}

async function askMetadata(): Promise<string> {
  // Most starts ask nobody, and are not to wait for the client to be loaded.
  const { httpGet } = await import('./http-get.ts');
  const { body } = await httpGet(metadataUrl, { headers: { Metadata: 'true' }, timeoutMs: 1000, maxBytes: 4096 });
  return body;
}
