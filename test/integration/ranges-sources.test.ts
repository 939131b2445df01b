/** Where the ranges come from: which source answers, which is asked next, and what each is told. */
import type { RequestListener } from 'node:http';
import { describe, expect, test } from 'vitest';
import { readCache } from '../../src/state/range-cache.ts';
import type { HeldRanges } from '../../src/state/range-cache.ts';
import type { RefreshOutcome } from '../../src/state/ranges-refresh.ts';
import { refreshRanges } from '../../src/state/ranges-refresh.ts';
import { azureAssetTag, createRangesPublisher, serviceTagsJson } from '../support/ranges-publisher.ts';
import { rangesRequest } from '../support/ranges-request.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import type { TempFolder } from '../support/temp-folder.ts';

const now = new Date('2026-01-05T06:00:00Z');
const redirect =
  (location: string, status = 302): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, { location }).end();

function rangesOf(outcome: RefreshOutcome): HeldRanges {
  if (outcome.outcome !== 'refreshed') throw new Error(JSON.stringify(outcome));
  return outcome.ranges;
}

/** A file that tells a machine of Azure. */
const azure = (folder: TempFolder): string => folder.write('asset-tag', azureAssetTag);

describe('the Download Center page', () => {
  test('gives the newest dated link of the cloud, whatever else it links to', async () => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    publisher.publish({
      'ServiceTags_Public_20251229.json': 'old',
      'ServiceTags_Public_20260105.json': serviceTagsJson({ changeNumber: 7 }),
      'ServiceTags_China_20260112.json': 'other cloud',
      'ServiceTags_Public_20269999.json': 'no date',
    });
    const { provenance, document } = rangesOf(await refreshRanges(rangesRequest(publisher, folder), now));
    expect(provenance).toMatchObject({
      cloud: 'public',
      source: 'download page',
      place: `${publisher.base}/download/ServiceTags_Public_20260105.json`,
      date: '2026-01-05',
      changeNumber: 7,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      fetchedAt: now.toISOString(),
    });
    expect(document.tags.get('storage')?.prefixes.v4.length).toBe(2);
    expect(publisher.requests.map(({ url }) => url)).toEqual([
      '/page?id=56519',
      '/download/ServiceTags_Public_20260105.json',
    ]);
  });

  test('may write its links as its scripts do', async () => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    publisher.set('/x/ServiceTags_Public_20260105.json', serviceTagsJson());
    publisher.set(
      '/page',
      JSON.stringify({ url: `${publisher.base}/x/ServiceTags_Public_20260105.json` }).replaceAll('/', '\\u002F'),
    );
    expect((await refreshRanges(rangesRequest(publisher, folder), now)).outcome).toBe('refreshed');
  });

  test.for([
    ['links to no file', '<html>moved</html>', 'the page links to no ServiceTags_Public file'],
    ['links to another owner', 'http://127.0.0.2/ServiceTags_Public_20260105.json', 'the page links to no'],
    ['is gone', null, 'the page answered 404'],
  ] as const)('that %s gives way to the stable link, and the status says why', async ([, page, why]) => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    if (page !== null) publisher.set('/page', page);
    publisher.set('/stable.json', serviceTagsJson());
    const outcome = await refreshRanges(rangesRequest(publisher, folder), now);
    expect(rangesOf(outcome).provenance).toMatchObject({ source: 'stable link', date: null });
    expect(outcome.failures).toEqual([{ source: 'download page', why: expect.stringContaining(why) as string }]);
  });

  test('is followed by the stable link when the file behind it cannot be taken', async () => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    publisher.publish({ 'ServiceTags_Public_20260105.json': serviceTagsJson().slice(0, 500) });
    publisher.set('/stable.json', serviceTagsJson());
    const outcome = await refreshRanges(rangesRequest(publisher, folder), now);
    expect(rangesOf(outcome).provenance.source).toBe('stable link');
    expect(outcome.failures[0]?.why).toMatch(/ServiceTags_Public_20260105.json: Cut short/);
  });
});

test('on no Azure machine discovery is the last to fail, and metadata is not asked', async () => {
  using folder = createTempFolder();
  await using publisher = await createRangesPublisher(folder.write('asset-tag', 'No Asset Tag\n'));
  const outcome = await refreshRanges(rangesRequest(publisher, folder), now);
  expect(outcome.outcome).toBe('refused');
  expect(outcome.failures.map(({ source }) => source)).toEqual(['download page', 'stable link', 'discovery']);
  expect(outcome.failures[2]?.why).toContain('this is no Azure machine');
  expect(publisher.requests.filter(({ url }) => url.startsWith('/metadata'))).toEqual([]);
});

describe('a URL', () => {
  const urlRequest = (url: string) => ({ source: { type: 'url', url } }) as const;

  test('is asked again with its ETag, and an unchanged answer keeps what is held', async () => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    publisher.set('/feed', (request, response) => {
      if (request.headers['if-none-match'] === '"1"') response.writeHead(304).end();
      else response.writeHead(200, { etag: '"1"' }).end(serviceTagsJson());
    });
    const request = rangesRequest(publisher, folder, urlRequest(`${publisher.base}/feed?sig=secret`));
    const held = rangesOf(await refreshRanges(request, now));
    expect(held.provenance).toMatchObject({ source: 'url', place: `${publisher.base}/feed`, etag: '"1"' });
    expect(publisher.requests[0]?.headers).not.toHaveProperty('if-none-match');
    const again = await refreshRanges({ ...request, held }, now);
    expect(again).toMatchObject({ outcome: 'unchanged', ranges: null, failures: [] });
    expect(publisher.requests[1]?.headers['if-none-match']).toBe('"1"');
    expect(publisher.requests[1]?.url).toBe('/feed?sig=secret');
    expect(folder.read('ranges-public.txt')).not.toContain('secret');
  });

  test('is asked without its ETag once the cache is gone', async () => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    publisher.set(
      '/feed',
      (_request, response) => void response.writeHead(200, { etag: '"1"' }).end(serviceTagsJson()),
    );
    const request = rangesRequest(publisher, folder, urlRequest(`${publisher.base}/feed`));
    const held = rangesOf(await refreshRanges(request, now));
    using empty = createTempFolder();
    const again = await refreshRanges({ ...request, held, cacheDir: empty.path }, now);
    expect(publisher.requests[1]?.headers).not.toHaveProperty('if-none-match');
    expect(again.outcome).toBe('unchanged');
    expect(readCache(empty.path, 'public')).toMatchObject({ ok: true });
  });

  test('may redirect on its own host a few times', async () => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    for (let step = 0; step < 5; step++)
      publisher.set(`/r${step}`, redirect(`/r${step + 1}`, [301, 302, 303, 307, 308][step]));
    publisher.set('/r5', serviceTagsJson());
    const request = rangesRequest(publisher, folder, urlRequest(`${publisher.base}/r0`));
    expect(rangesOf(await refreshRanges(request, now)).document.format).toBe('service-tags');
    publisher.set('/more', redirect('/r0'));
    const more = await refreshRanges({ ...request, ...urlRequest(`${publisher.base}/more`) }, now);
    expect(more).toMatchObject({
      outcome: 'refused',
      message: expect.stringContaining('more than 5 redirects') as string,
    });
  });

  test.for([
    ['in a circle', '/feed', 'redirects in a circle'],
    ['to plain http elsewhere', 'http://feed.example/x', 'which is not https'],
    ['to another owner', 'https://feed.example/x', "another owner's host, https://feed.example/x"],
    ['to a file', 'file:///etc/passwd', 'which is not https'],
    ['to a URL with a password', 'https://u:p@feed.example/', 'with a password in its URL'],
    ['to nowhere', 'http://[', 'redirects, but not to a URL'],
  ] as const)('that redirects %s is refused', async ([, location, why]) => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    publisher.set('/feed', redirect(location));
    const outcome = await refreshRanges(rangesRequest(publisher, folder, urlRequest(`${publisher.base}/feed`)), now);
    expect(outcome).toMatchObject({ outcome: 'refused', message: expect.stringContaining(why) as string });
    expect(publisher.requests).toHaveLength(1);
  });
});

test('a file is read for what it is, and dated by its name', async () => {
  using folder = createTempFolder();
  await using publisher = await createRangesPublisher();
  const path = folder.write('ServiceTags_Public_20260105.json', serviceTagsJson());
  const outcome = await refreshRanges(rangesRequest(publisher, folder, { source: { type: 'file', path } }), now);
  expect(rangesOf(outcome).provenance).toMatchObject({ source: 'file', place: path, date: '2026-01-05' });
  expect(publisher.requests).toEqual([]);
  const missing = rangesRequest(publisher, folder, { source: { type: 'file', path: `${path}.gone` } });
  expect(await refreshRanges(missing, now)).toMatchObject({ message: expect.stringContaining('ENOENT') as string });
  const device = rangesRequest(publisher, folder, { source: { type: 'file', path: '/dev/zero' } });
  expect(await refreshRanges(device, now)).toMatchObject({ message: 'file: /dev/zero is no file' });
});

describe('discovery', () => {
  const subscriptionId = '00000000-1111-2222-3333-444444444444';
  const api = `/subscriptions/${subscriptionId}/providers/Microsoft.Network/locations/westeurope/serviceTags`;
  const page = (from: number, nextLink: string | null): string => {
    const whole = JSON.parse(serviceTagsJson()) as { values: unknown[] };
    return JSON.stringify({ ...whole, changeNumber: '93', values: whole.values.slice(from, from + 2), nextLink });
  };

  async function createAzure(folder: TempFolder) {
    const publisher = await createRangesPublisher(azure(folder));
    publisher.set('/metadata/instance/compute', JSON.stringify({ subscriptionId, location: 'westeurope' }));
    publisher.set('/metadata/identity/oauth2/token', JSON.stringify({ access_token: 'very.secret-token' }));
    publisher.set(api, page(0, `${publisher.base}/more`));
    publisher.set('/more', page(2, null));
    return publisher;
  }

  test('asks with a token of the machine and reads every page', async () => {
    using folder = createTempFolder();
    await using publisher = await createAzure(folder);
    const request = rangesRequest(publisher, folder, { source: { type: 'discovery' } });
    const { provenance, document } = rangesOf(await refreshRanges(request, now));
    expect(provenance).toMatchObject({ source: 'discovery', changeNumber: 93, date: null });
    expect([...document.tags.keys()]).toEqual([
      'storage',
      'azurebackup',
      'azureactivedirectory',
      'azureresourcemanager',
    ]);
    const [compute, token, first, second] = publisher.requests;
    expect(compute).toMatchObject({ headers: { metadata: 'true' } });
    expect(token?.url).toBe(
      `/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${encodeURIComponent(`${publisher.base}/`)}`,
    );
    expect(first).toMatchObject({
      url: `${api}?api-version=2025-05-01`,
      headers: { authorization: 'Bearer very.secret-token' },
    });
    expect(second).toMatchObject({ url: '/more', headers: { authorization: 'Bearer very.secret-token' } });
  });

  test.for<[string, string, RequestListener | string, string]>([
    [
      'no identity',
      '/metadata/identity/oauth2/token',
      (_, response) => void response.writeHead(400).end(),
      'has no managed identity; assign one',
    ],
    ['no token', '/metadata/identity/oauth2/token', '{}', 'instance metadata gives no token'],
    ['no JSON from metadata', '/metadata/instance/compute', 'very.secret-token', 'answered what is no JSON object'],
    [
      'a region that would change the path',
      '/metadata/instance/compute',
      JSON.stringify({ subscriptionId, location: '../x' }),
      'names no region',
    ],
    [
      'a token that is not taken',
      api,
      (_, response) => void response.writeHead(401).end(),
      'answered 401: it does not take the token',
    ],
    [
      'a missing role',
      api,
      (_, response) => void response.writeHead(403).end(),
      'give the managed identity the role Reader',
    ],
    ['a next page elsewhere', api, page(0, 'https://feed.example/next'), 'its next page lies on another host'],
    ['pages of two publications', '/more', page(2, null).replace('"93"', '"94"'), 'it changed meanwhile'],
  ])('with %s is refused in a line that says so, and shows no token', async ([, path, answer, why]) => {
    using folder = createTempFolder();
    await using publisher = await createAzure(folder);
    publisher.set(path, answer);
    const outcome = await refreshRanges(rangesRequest(publisher, folder, { source: { type: 'discovery' } }), now);
    expect(outcome).toMatchObject({ outcome: 'refused', message: expect.stringContaining(why) as string });
    expect(JSON.stringify(outcome)).not.toContain('secret');
    expect(JSON.stringify(outcome)).not.toContain('\n');
  });

  test.for<[string, (base: string) => RequestListener, string]>([
    [
      'in a circle',
      (base) => (_, response) => void response.end(page(0, `${base}/more`)),
      'its pages link in a circle',
    ],
    [
      'without end',
      (base) => (request, response) =>
        void response.end(page(0, `${base}/more?at=${Number(request.url?.split('=')[1] ?? 0) + 1}`)),
      'more than 50 pages',
    ],
  ])('whose pages go on %s is refused', async ([, answer, why]) => {
    using folder = createTempFolder();
    await using publisher = await createAzure(folder);
    publisher.set('/more', answer(publisher.base));
    const outcome = await refreshRanges(rangesRequest(publisher, folder, { source: { type: 'discovery' } }), now);
    expect(outcome).toMatchObject({ outcome: 'refused', message: `discovery: ${why}` });
  });
});
