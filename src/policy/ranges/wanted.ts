/** The tags that a refresh is judged by: those that rules name, and those that a backup needs. */
import type { RangesDocument } from './document.ts';

/**
 * The tags behind Azure Backup. `NAME.*` means the regional tags of a service as far as a document has them; their
 * names are not known beforehand.
 */
export const backupTags: readonly string[] = [
  'AzureActiveDirectory',
  'AzureBackup',
  'AzureBackup.*',
  'AzureResourceManager',
  'AzureResourceManager.*',
  'Storage',
  'Storage.*',
];

/**
 * The tags that `wanted` means in these documents, by their name in lower case: what `NAME*` fits in any of them, and
 * plain names also where none has them. The value is the name to show.
 */
export function wantedNames(
  wanted: readonly string[],
  ...documents: readonly RangesDocument[]
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const name of wanted) {
    const key = name.toLowerCase();
    if (!key.endsWith('*')) names.set(key, name);
    const start = key.slice(0, -1);
    for (const { tags } of documents) {
      for (const [other, tag] of tags)
        if (other === key || (key.endsWith('*') && other.startsWith(start))) names.set(other, tag.name);
    }
  }
  return names;
}
