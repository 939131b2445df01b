/** What Azure says of this machine: cloud, region and identity; asked of instance metadata, on Azure machines alone. */
import type { Cloud } from '../../config/config.ts';
import { parseRangesSource } from '../../config/ranges-source.ts';
import { httpGet } from '../../state/http-get.ts';
import { readIdentityToken } from '../../state/instance-metadata.ts';
import { rangeEndpoints } from '../../state/range-endpoints.ts';
import { currentRanges } from '../ranges-current.ts';
import type { Finding } from './finding.ts';
import { about, messageOf } from './finding.ts';
import type { Patient } from './patient.ts';

const say = about('azure', 'metadata');
const timeoutMs = 4000;

const clouds: Readonly<Record<string, Cloud>> = {
  AzurePublicCloud: 'public',
  AzureUSGovernmentCloud: 'usgov',
  AzureChinaCloud: 'china',
};

export async function probeMetadata(patient: Patient): Promise<readonly Finding[]> {
  const { sources, config, file } = patient;
  if (!(await sources.isAzure())) {
    return [
      say.unseen('this is no Azure virtual machine: cloud, region and identity are not asked for', 'run doctor there'),
    ];
  }
  let compute: { readonly azEnvironment?: unknown; readonly location?: unknown };
  try {
    const url = `${sources.metadataBase}/metadata/instance/compute?api-version=2021-02-01`;
    const { status, body } = await httpGet(url, { headers: { Metadata: 'true' }, timeoutMs, maxBytes: 1_048_576 });
    if (status !== 200) throw new Error(`it answered ${status}`);
    compute = JSON.parse(body) as typeof compute;
  } catch (error) {
    const fix = 'leave 169.254.169.254 to Azure: no route, firewall or proxy variable of this machine may catch it';
    return [say.warn(`instance metadata: ${messageOf(error)}`, fix)];
  }
  const { azEnvironment, location } = compute;
  const region = typeof location === 'string' && /^[a-z0-9]+$/.test(location) ? location : null;
  const cloud = clouds[String(azEnvironment)];
  const where = `${typeof azEnvironment === 'string' ? azEnvironment : 'an unknown cloud'}, region ${region ?? 'unknown'}`;
  if (cloud !== undefined && cloud !== config.cloud) {
    const fix = `in ${file ?? '/etc/lockdown-proxy/config.yaml'}: cloud: auto (or ${cloud})`;
    return [say.fail(`${where}, while the lists are those of the cloud ${config.cloud}`, fix)];
  }
  const tags = region === null ? [] : await tagsOf(patient, region);
  const hint = tags.length === 0 ? '' : `; its tags, for \`within tag:NAME\` in rules: ${tags.join(', ')}`;
  return [say.ok(`${where}${hint}`)];
}

/** The region's tags of storage and backup, as the ranges in force call them. */
async function tagsOf({ isSound, file }: Patient, region: string): Promise<readonly string[]> {
  const { held } = await currentRanges(isSound ? file : null);
  const wanted = new Set(['storage', 'azurebackup'].map((service) => `${service}.${region}`));
  return [...(held?.document.tags.values() ?? [])]
    .filter(
      ({ name, region: of }) =>
        wanted.has(name.toLowerCase()) || (of === region && /^(?:Storage|AzureBackup)\./.test(name)),
    )
    .map(({ name }) => name);
}

/** An identity is wanted where the ranges come from the discovery API; its token is asked for and dropped. */
export async function probeIdentity({ config, sources }: Patient): Promise<readonly Finding[]> {
  const told = about('azure', 'identity');
  const source = parseRangesSource(config.ranges.source);
  if (!source.ok || source.value.type !== 'discovery') return [];
  if (!(await sources.isAzure())) {
    return [
      told.fail(
        '`ranges.source: discovery` needs an Azure virtual machine with an identity',
        'ranges: { source: auto }',
      ),
    ];
  }
  try {
    await readIdentityToken(sources.metadataBase, `${rangeEndpoints(config.cloud).arm}/`);
    return [told.ok('the managed identity gives a token for the Resource Manager')];
  } catch (error) {
    const fix =
      'az vm identity assign -g GROUP -n VM, then give it Reader on the subscription: ' +
      'az role assignment create --assignee PRINCIPAL --role Reader --scope /subscriptions/ID';
    return [told.fail(messageOf(error), fix)];
  }
}
