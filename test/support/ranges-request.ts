/** A refresh as a test asks for it, over a publisher and a folder of its own. */
import type { ParentSettings } from '../../src/state/parent-proxy.ts';
import type { RefreshRequest } from '../../src/state/ranges-refresh.ts';
import type { RangesPublisher } from './ranges-publisher.ts';
import type { TempFolder } from './temp-folder.ts';

export const mebibyte = 1024 * 1024;

export const noParent: ParentSettings = {
  upstream: { proxy: null, credentialsFile: null, direct: [], resolve: 'needed' },
  credential: null,
};

/** Everything as a proxy of the public cloud with `ranges.source: auto` would ask; `changes` go on top. */
export function rangesRequest(
  publisher: RangesPublisher,
  folder: TempFolder,
  changes: Partial<RefreshRequest> = {},
): RefreshRequest {
  return {
    source: { type: 'auto' },
    parent: noParent,
    cloud: 'public',
    cacheDir: folder.path,
    wantedTags: ['Storage', 'AzureBackup'],
    maxShrinkPercent: 40,
    force: false,
    held: null,
    endpoints: publisher.endpoints,
    budget: { timeoutMs: 10_000, maxBytes: 64 * mebibyte },
    ...changes,
  };
}
