/** Where each cloud's datacenter ranges are published, and what a single fetch of them may cost. */
import type { Cloud } from '../config/config.ts';
import { assetTagFile, metadataBase } from './instance-metadata.ts';

/** Plain data, so that a thread can be given it, and a test its own. */
export interface RangeEndpoints {
  /** The page that links to the dated files. */
  readonly downloadPage: string;
  /** A link that always leads to the newest file; undocumented, and known for one cloud alone. */
  readonly stableLink: string | null;
  /** The Azure Resource Manager, without a slash at its end. */
  readonly arm: string;
  readonly metadata: string;
  readonly assetTagFile: string;
}

/** How long one fetch may take with all its redirects, in milliseconds, and how large its answer may be. */
export interface FetchBudget {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** The public file has 4 MB and grows; a minute is enough for it on any line that a backup could use. */
export const fetchBudget: FetchBudget = { timeoutMs: 60_000, maxBytes: 64 * 1024 * 1024 };

/** How published files name a cloud: `ServiceTags_Public_20251028.json`. */
export const publishedClouds: Readonly<Record<Cloud, string>> = {
  public: 'Public',
  usgov: 'AzureGovernment',
  china: 'China',
};

/** Microsoft Download Center: "Azure IP Ranges and Service Tags", one page a cloud. */
const pages: Readonly<Record<Cloud, number>> = { public: 56519, usgov: 57063, china: 57062 };

const managers: Readonly<Record<Cloud, string>> = {
  public: 'https://management.azure.com',
  usgov: 'https://management.usgovcloudapi.net',
  china: 'https://management.chinacloudapi.cn',
};

const stableLink =
  'https://download.microsoft.com/download/7/1/D/71D86715-5596-4529-9B13-DA13A5DE5B63/ServiceTags_Public_Latest.json';

/** The real endpoints of a cloud. */
export function rangeEndpoints(cloud: Cloud): RangeEndpoints {
  return {
    downloadPage: `https://www.microsoft.com/en-us/download/details.aspx?id=${pages[cloud]}`,
    stableLink: cloud === 'public' ? stableLink : null,
    arm: managers[cloud],
    metadata: metadataBase,
    assetTagFile,
  };
}
