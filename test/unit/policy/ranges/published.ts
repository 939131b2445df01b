/** Documents as they are published: generated ones of every shape, and the real files where they are at hand. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import type { RangesDocument } from '../../../../src/policy/ranges/document.ts';
import { parseRangesDocument } from '../../../../src/policy/ranges/parse.ts';

/** Prefixes of tags by their name. */
export type Contents = Readonly<Record<string, readonly string[]>>;

export const contents: Contents = {
  Storage: ['20.60.0.0/16', '20.150.0.0/17', '2603:1030:a:b::/64'],
  'Storage.WestEurope': ['20.60.26.0/23', '2603:1020:206:1::/64'],
  AzureBackup: ['13.69.65.32/27', '40.72.79.64/26'],
  'AzureCloud.centralfrance': ['2a01:111:f403:c200::/64'],
};

/** Service Tags JSON of today, two spaces deep as the files are; `extra` fields go into its first level. */
export function serviceTags(tags: Contents = contents, extra: object = {}): string {
  const values = Object.entries(tags).map(([name, addressPrefixes], at) => ({
    name,
    id: name,
    properties: {
      changeNumber: at + 1,
      region: name.split('.')[1]?.toLowerCase() ?? '',
      regionId: at,
      platform: 'Azure',
      systemService: name.split('.')[0],
      addressPrefixes,
      networkFeatures: at % 2 === 0 ? null : ['API', 'NSG'],
    },
  }));
  return JSON.stringify({ changeNumber: 375, cloud: 'Public', values, ...extra }, null, 2);
}

/** The PublicIPs XML, CRLF as the files are. */
export function legacyXml(regions: Contents): string {
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    '<AzurePublicIpAddresses xmlns:xsd="http://www.w3.org/2001/XMLSchema">',
    ...Object.entries(regions).flatMap(([name, prefixes]) => [
      `  <Region Name="${name}">`,
      ...prefixes.map((prefix) => `    <IpRange Subnet="${prefix}" />`),
      '  </Region>',
    ]),
    '</AzurePublicIpAddresses>',
  ].join('\r\n');
}

/** The document of a text that has to be good. */
export function read(text: string): RangesDocument {
  const parsed = parseRangesDocument(text);
  if (!parsed.ok) throw new TypeError(parsed.message);
  return parsed.value;
}

/** Why a text is refused; null where it is taken. */
export function refusal(text: string): string | null {
  const parsed = parseRangesDocument(text);
  return parsed.ok ? null : parsed.message;
}

const folder = resolve(import.meta.dirname, '../../../../../shared/data');

/** What a test says that needs the published files and has them not. */
export const absence = `${folder} is absent: the published files are not part of the project`;

/** The published files of a kind by name; none where the folder is absent. */
export function publishedFiles(kind: 'service-tags' | 'legacy-xml'): readonly string[] {
  return existsSync(join(folder, kind)) ? readdirSync(join(folder, kind)).sort() : [];
}

export function readPublished(kind: 'service-tags' | 'legacy-xml', file: string): string {
  return readFileSync(join(folder, kind, file), 'utf8');
}
