/** Which Azure cloud this machine is in, for `cloud: auto`. */
import { readFile } from 'node:fs/promises';
import type { Cloud } from '../config/config.ts';
import { httpGet } from './http-get.ts';

/** The chassis asset tag of every Azure virtual machine (cloud-init's Azure data source knows it by the same). */
const azureAssetTag = '7783-7084-3265-9085-8269-3286-77';
const assetTagFile = '/sys/class/dmi/id/chassis_asset_tag';

/** Instance metadata service, Microsoft: "Azure Instance Metadata Service", version 2021-02-01. */
const metadataUrl = 'http://169.254.169.254/metadata/instance/compute/azEnvironment?api-version=2021-02-01&format=text';

const clouds: Readonly<Record<string, Cloud>> = {
  AzurePublicCloud: 'public',
  AzureUSGovernmentCloud: 'usgov',
  AzureChinaCloud: 'china',
};

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
    if ((await readAssetTag()).trim() !== azureAssetTag) return 'public';
    return clouds[(await getEnvironment()).trim()] ?? 'public';
  } catch {
    return 'public';
  }
}

async function askMetadata(): Promise<string> {
  const { body } = await httpGet(metadataUrl, { headers: { Metadata: 'true' }, timeoutMs: 1000, maxBytes: 4096 });
  return body;
}
