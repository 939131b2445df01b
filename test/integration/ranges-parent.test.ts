/** The ranges fetched through the parent proxy of the configuration, as tunnels go. */
import { createServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDirect, parseParent } from '../../src/config/upstream.ts';
import { httpGet } from '../../src/state/http-get.ts';
import type { ParentSettings } from '../../src/state/parent-proxy.ts';
import { createParentProxy } from '../../src/state/parent-proxy.ts';
import { refreshRanges } from '../../src/state/ranges-refresh.ts';
import type { Certificate } from '../support/certificates.ts';
import { createAuthority, createCertificate } from '../support/certificates.ts';
import { createFetchParent } from '../support/fetch-parent.ts';
import { startRangedProxy } from '../support/ranged-proxy.ts';
import type { RangesPublisher } from '../support/ranges-publisher.ts';
import { azureAssetTag, createRangesPublisher, serviceTagsJson } from '../support/ranges-publisher.ts';
import { rangesRequest } from '../support/ranges-request.ts';
import { createTempFolder } from '../support/temp-folder.ts';

const now = new Date('2026-01-05T06:00:00Z');
const newest = 'ServiceTags_Public_20260105.json';
const credential = 'lockdown:parent-secret-word';
const bounds = { timeoutMs: 10_000, maxBytes: 10_000 };

const portOf = ({ base }: RangesPublisher): number => Number(new URL(base).port);

function settings(proxy: string, options: { direct?: readonly string[]; credential?: string } = {}): ParentSettings {
  const address = parseParent(proxy);
  if (!address.ok) throw new Error(address.message);
  const direct = (options.direct ?? []).map((text) => {
    const entry = parseDirect(text);
    if (!entry.ok) throw new Error(entry.message);
    return entry.value;
  });
  return {
    upstream: { proxy: address.value, credentialsFile: null, direct, resolve: 'needed' },
    credential: options.credential ?? null,
  };
}

describe('over plain http', () => {
  test('page and file go through it, under its credential, which goes no further', async () => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    await using parent = await createFetchParent(portOf(publisher), { credential });
    publisher.publish({ [newest]: serviceTagsJson({ changeNumber: 7 }) });
    const request = rangesRequest(publisher, folder, {
      parent: settings(`http://127.0.0.1:${parent.port}`, { credential }),
    });
    expect((await refreshRanges(request, now)).outcome).toBe('refreshed');
    expect(parent.asked).toEqual([`GET ${publisher.base}/page?id=56519`, `GET ${publisher.base}/download/${newest}`]);
    expect(publisher.requests).toHaveLength(2);
    for (const { headers } of publisher.requests) expect(headers).not.toHaveProperty('proxy-authorization');
  });

  test('a credential that it does not take is said as such, and is not said itself', async () => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    await using parent = await createFetchParent(portOf(publisher), { credential });
    publisher.publish({ [newest]: serviceTagsJson() });
    const url = `http://127.0.0.1:${parent.port}`;
    const wrong = 'lockdown:another-secret-word';
    const request = rangesRequest(publisher, folder, { parent: settings(url, { credential: wrong }) });
    const outcome = await refreshRanges(request, now);
    expect(outcome.failures[0]).toEqual({
      source: 'download page',
      why: `${publisher.base}/page: ${url} answered 407 (upstream_proxy_auth): the parent proxy refuses our credential: mend upstream.credentialsFile`,
    });
    const text = JSON.stringify(outcome);
    expect(text).not.toContain('secret-word');
    expect(text).not.toContain(Buffer.from(wrong).toString('base64'));
    expect(publisher.requests).toEqual([]);
  });

  test.each([['127.0.0.0/8'], ['.feed.test']])('what `direct` names goes around it: %s', async (direct) => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher();
    await using parent = await createFetchParent(portOf(publisher));
    publisher.publish({ [newest]: serviceTagsJson() });
    const request = rangesRequest(publisher, folder, {
      parent: settings(`http://127.0.0.1:${parent.port}`, { direct: [direct] }),
    });
    expect((await refreshRanges(request, now)).outcome).toBe('refreshed');
    expect(parent.asked).toHaveLength(direct === '127.0.0.0/8' ? 0 : 2);
  });

  test('the metadata of this machine is asked directly, the discovery API through the parent', async () => {
    using folder = createTempFolder();
    await using publisher = await createRangesPublisher(folder.write('asset-tag', azureAssetTag));
    await using parent = await createFetchParent(portOf(publisher));
    const subscriptionId = '00000000-1111-2222-3333-444444444444';
    publisher.set('/metadata/instance/compute', JSON.stringify({ subscriptionId, location: 'westeurope' }));
    publisher.set('/metadata/identity/oauth2/token', JSON.stringify({ access_token: 'very.secret-token' }));
    const api = `/subscriptions/${subscriptionId}/providers/Microsoft.Network/locations/westeurope/serviceTags`;
    publisher.set(api, JSON.stringify({ ...(JSON.parse(serviceTagsJson()) as object), changeNumber: '93' }));
    const request = rangesRequest(publisher, folder, {
      source: { type: 'discovery' },
      parent: settings(`http://127.0.0.1:${parent.port}`),
    });
    expect(await refreshRanges(request, now)).toMatchObject({ outcome: 'refreshed' });
    expect(parent.asked).toEqual([`GET ${publisher.base}${api}?api-version=2025-05-01`]);
    expect(publisher.requests).toHaveLength(3);
  });
});

describe('over https', () => {
  const before = getCACertificates('default');
  let authority: Certificate;
  let leaf: Certificate;
  beforeAll(async () => {
    authority = await createAuthority();
    leaf = await createCertificate(authority, ['feed.test', '127.0.0.1']);
    setDefaultCACertificates([...before, authority.cert]);
  });
  afterAll(() => setDefaultCACertificates(before));

  async function createFeed() {
    const server = createServer(leaf, (request, response) => response.end(`${request.headers.host} ${request.url}`));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      port: (server.address() as AddressInfo).port,
      async [Symbol.asyncDispose]() {
        const gone = once(server, 'close');
        server.close();
        server.closeAllConnections();
        await gone;
      },
    };
  }

  test.each([['http'], ['https']])('it is tunnelled by name through a parent in %s', async (scheme) => {
    await using feed = await createFeed();
    await using parent = await createFetchParent(feed.port, {
      credential,
      ...(scheme === 'https' ? { tls: leaf } : {}),
    });
    const proxy = createParentProxy(settings(`${scheme}://127.0.0.1:${parent.port}`, { credential }));
    const answer = await httpGet('https://feed.test/ranges.json', { ...bounds, parent: proxy });
    expect(answer).toMatchObject({ status: 200, body: 'feed.test /ranges.json' });
    expect(parent.asked).toEqual(['CONNECT feed.test:443']);
  });

  test.each([
    [{ credential: 'other:word' }, '407 (upstream_proxy_auth)'],
    [{ status: 403 }, '403 (upstream_proxy_refused)'],
  ])('a tunnel that it does not open is said as such: %o', async (options, why) => {
    await using feed = await createFeed();
    await using parent = await createFetchParent(feed.port, options);
    const url = `http://127.0.0.1:${parent.port}`;
    const proxy = createParentProxy(settings(url, { credential }));
    await expect(httpGet('https://feed.test/ranges.json', { ...bounds, parent: proxy })).rejects.toThrow(
      `https://feed.test/ranges.json: ${url} answered ${why}: the parent proxy refuses`,
    );
  });

  test('a parent under an unknown authority gets neither the credential nor the request', async () => {
    const stranger = await createAuthority();
    await using feed = await createFeed();
    await using parent = await createFetchParent(feed.port, { tls: await createCertificate(stranger, ['127.0.0.1']) });
    const proxy = createParentProxy(settings(`https://127.0.0.1:${parent.port}`, { credential }));
    await expect(httpGet('https://feed.test/', { ...bounds, parent: proxy })).rejects.toThrow(/certificate/);
    expect(parent.asked).toEqual([]);
  });

  test('what ends on the way names no secret and does not hang', async () => {
    await using parent = await createFetchParent(1);
    const proxy = createParentProxy(settings(`http://127.0.0.1:${parent.port}`, { credential }));
    const failed = httpGet('https://feed.test/', { ...bounds, parent: proxy });
    await expect(failed).rejects.toThrow(/^https:\/\/feed\.test\/: (?!.*secret-word)/);
  });
});

test('a running proxy fetches through its parent', async () => {
  await using stack = new AsyncDisposableStack();
  const target = stack.use(await createRangesPublisher());
  const parent = stack.use(await createFetchParent(portOf(target), { credential }));
  const ranged = stack.use(
    await startRangedProxy({
      rules: ['tag:Storage'],
      files: { 'parent-credential': `${credential}\n` },
      config: `upstream: { proxy: "http://127.0.0.1:${parent.port}", credentialsFile: ./parent-credential }`,
    }),
  );
  target.publish({ [newest]: serviceTagsJson({ changeNumber: 7 }) });
  // The publisher that the proxy knows has nothing: what comes has come through the parent.
  expect((await ranged.proxy.app.ranges!.refresh()).outcome).toBe('refreshed');
  expect(parent.asked).toHaveLength(2);
  expect(ranged.publisher.requests).toEqual([]);
});
