/** Everything that publishes datacenter ranges, as one HTTP server on loopback: page, files, discovery API, metadata. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RangeEndpoints } from '../../src/state/range-endpoints.ts';

/** The chassis asset tag of an Azure machine, as a file would hold it. */
export const azureAssetTag = '7783-7084-3265-9085-8269-3286-77\n';

export interface RangesPublisher extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly base: string;
  readonly endpoints: RangeEndpoints;
  /** Every request so far, oldest first. */
  readonly requests: readonly { readonly url: string; readonly headers: IncomingHttpHeaders }[];
  /** Answers a path (without its query) from now on; text is sent with status 200. A path that is not set is 404. */
  set(path: string, answer: string | RequestListener): void;
  /** Sets the page so that it links to a file of each name, and the files. */
  publish(files: Readonly<Record<string, string | RequestListener>>): void;
}

/** Listens on a free port; `assetTagFile` says whether this machine is Azure's. */
export async function createRangesPublisher(assetTagFile = '/nonexistent'): Promise<RangesPublisher> {
  const answers = new Map<string, RequestListener>();
  const requests: { url: string; headers: IncomingHttpHeaders }[] = [];
  const server = createServer((request, response) => {
    const url = request.url ?? '';
    requests.push({ url, headers: request.headers });
    // A client that has read enough hangs up.
    response.on('error', () => undefined);
    const answer = answers.get(url.split('?')[0] ?? '');
    if (answer) answer(request, response);
    else response.writeHead(404).end('nothing here');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const set = (path: string, answer: string | RequestListener): void => {
    answers.set(path, typeof answer === 'string' ? (_request, response) => void response.end(answer) : answer);
  };
  return {
    base,
    requests,
    set,
    endpoints: {
      downloadPage: `${base}/page?id=56519`,
      stableLink: `${base}/stable.json`,
      arm: base,
      metadata: base,
      assetTagFile,
    },
    publish(files) {
      const links = Object.keys(files).map((name) => `<a href="${base}/download/${name}">get it</a>`);
      set('/page', `<!doctype html><title>Ranges</title>${links.join('\n')}${links.join('\n')}`);
      for (const [name, answer] of Object.entries(files)) set(`/download/${name}`, answer);
    },
    async [Symbol.asyncDispose]() {
      const gone = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await gone;
    },
  };
}

export interface PublishedTags {
  readonly cloud?: string;
  readonly changeNumber?: number;
  /** Prefixes by tag; what is not given has one prefix, so that no wanted tag is missing. */
  readonly tags?: Readonly<Record<string, readonly string[]>>;
}

const standard: PublishedTags['tags'] = {
  Storage: ['20.60.0.0/16', '2603:1030::/45'],
  AzureBackup: ['20.38.0.0/24'],
  AzureActiveDirectory: ['20.190.128.0/18'],
  AzureResourceManager: ['20.37.52.64/27'],
};

/** A document in the shape of the published Service Tags JSON. */
export function serviceTagsJson({ cloud = 'Public', changeNumber = 100, tags = {} }: PublishedTags = {}): string {
  const values = Object.entries({ ...standard, ...tags }).map(([name, addressPrefixes]) => ({
    name,
    id: name,
    properties: {
      changeNumber: 1,
      region: '',
      regionId: 0,
      platform: 'Azure',
      systemService: name,
      addressPrefixes,
      networkFeatures: ['API', 'NSG'],
    },
  }));
  return JSON.stringify({ changeNumber, cloud, values }, null, 2);
}

/** The same in the project's compact text, unguarded as embedded ranges are. */
export function compactRanges(tags: Readonly<Record<string, readonly string[]>>, date = '2025-01-01'): string {
  const entries = Object.entries(tags);
  const count = entries.reduce((sum, [, prefixes]) => sum + prefixes.length, 0);
  return [
    '# lockdown-proxy ranges 1',
    '# cloud: Public',
    '# change number: 1',
    `# date: ${date}`,
    ...entries.flatMap(([name, prefixes]) => ['', `[${name}]`, ...prefixes]),
    '',
    `# end: ${entries.length} tags, ${count} prefixes`,
    '',
  ].join('\n');
}
