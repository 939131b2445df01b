/** Names to try: one for each thing that a backup needs, in each cloud, and those that the operator gives. */
import type { Cloud } from '../../config/config.ts';

export type Need = 'storage' | 'backup' | 'sign-in' | 'named';

export interface Destination {
  readonly need: Need;
  readonly host: string;
  readonly port: number;
}

/** The ends of names by which one that is given stands for a need. */
const suffixes: Readonly<Record<Cloud, Readonly<Partial<Record<Need, readonly string[]>>>>> = {
  public: { storage: ['.core.windows.net', '.storage.azure.net'], backup: ['.backup.windowsazure.com'] },
  usgov: { storage: ['.core.usgovcloudapi.net'], backup: ['.backup.windowsazure.us'] },
  china: { storage: ['.core.chinacloudapi.cn'], backup: ['.backup.windowsazure.cn'] },
};

/**
 * Names that are known to be there. The storage account is the one of Azure Open Datasets
 * (https://learn.microsoft.com/azure/open-datasets/); the backup names are those by which Microsoft documents file
 * recovery (https://learn.microsoft.com/azure/backup/backup-azure-restore-files-from-vm), `pod01-rec2.GEO-NAME`, in one
 * region of each cloud. Of the storage of the other clouds none is documented.
 */
const known: Readonly<Record<Cloud, readonly Omit<Destination, 'port'>[]>> = {
  public: [
    { need: 'storage', host: 'azureopendatastorage.blob.core.windows.net' },
    { need: 'backup', host: 'pod01-rec2.wus.backup.windowsazure.com' },
    { need: 'sign-in', host: 'login.microsoftonline.com' },
  ],
  usgov: [
    { need: 'backup', host: 'pod01-rec2.ugv.backup.windowsazure.us' },
    { need: 'sign-in', host: 'login.microsoftonline.us' },
  ],
  china: [
    { need: 'backup', host: 'pod01-rec2.bjb.backup.windowsazure.cn' },
    { need: 'sign-in', host: 'login.chinacloudapi.cn' },
  ],
};

/** A storage account of the cloud, as an operator would write it. */
export function storageExample(cloud: Cloud): string {
  return `ACCOUNT.blob${suffixes[cloud].storage?.[0] ?? ''}`;
}

/** The names to try; a given one takes the place of the known one for the same need. */
export function destinationsOf(cloud: Cloud, given: readonly string[]): readonly Destination[] {
  const named = given.map((text): Destination => {
    const [, host = text, port = '443'] = /^(.*?)(?::(\d{1,5}))?$/.exec(text.toLowerCase()) ?? [];
    return { need: needOf(cloud, host), host, port: Number(port) };
  });
  const standing = known[cloud].filter(({ need }) => !named.some((other) => other.need === need));
  return [...standing.map((entry) => ({ ...entry, port: 443 })), ...named];
}

function needOf(cloud: Cloud, host: string): Need {
  for (const need of ['storage', 'backup'] as const) {
    if (suffixes[cloud][need]?.some((suffix) => host.endsWith(suffix))) return need;
  }
  return 'named';
}
