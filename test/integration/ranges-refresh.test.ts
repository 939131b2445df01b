/** A running proxy and its ranges: what it begins with, what a refresh changes, and what it leaves alone. */
import { expect, test } from 'vitest';
import { parseAddress } from '../../src/address/ip.ts';
import { refreshRanges } from '../../src/state/ranges-refresh.ts';
import { createDestination, echo } from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { startProxy } from '../support/proxy.ts';
import { startRangedProxy } from '../support/ranged-proxy.ts';
import { compactRanges, createRangesPublisher, serviceTagsJson } from '../support/ranges-publisher.ts';
import { rangesRequest } from '../support/ranges-request.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { openTunnel, plainLoopback } from '../support/tunnel.ts';

const newest = 'ServiceTags_Public_20260105.json';

test('the embedded ranges serve until a refresh, and what opened under them lives on', async () => {
  await using destination = await createDestination(echo);
  const target = `127.0.0.1:${destination.port}`;
  await using ranged = await startRangedProxy({ rules: [`tag:storage:${destination.port}`] });
  const { proxy, publisher } = ranged;
  await using live = await openTunnel(proxy.port, target, { early: 'hi' });
  expect((await live.contentOf(2)).toString()).toBe('hi');
  expect(proxy.app.snapshot().generation).toBe(1);

  publisher.publish({ [newest]: serviceTagsJson({ changeNumber: 7 }) });
  expect((await proxy.app.ranges!.refresh()).outcome).toBe('refreshed');
  const { generation, policy } = proxy.app.snapshot();
  expect(generation).toBe(2);
  expect(policy.ranges.get('storage')?.has(parseAddress('20.60.1.2')!)).toBe(true);
  await using later = await openTunnel(proxy.port, target);
  expect(later.startLine).toBe(`HTTP/1.1 403 Not on allowlist: ${target}`);
  await live.wire.write('still');
  expect((await live.contentOf(7)).toString()).toBe('histill');
  expect(ranged.said('ranges_refreshed')).toEqual([
    {
      changed: true,
      source: 'download page',
      place: `${publisher.base}/download/${newest}`,
      date: '2026-01-05',
      changeNumber: 7,
      failures: [],
    },
  ]);
});

test('equal ranges make no new snapshot, under whatever number they are published', async () => {
  await using ranged = await startRangedProxy({ rules: ['tag:Storage'] });
  const { proxy, publisher } = ranged;
  publisher.publish({ [newest]: serviceTagsJson({ changeNumber: 7 }) });
  await proxy.app.ranges!.refresh();
  publisher.publish({
    'ServiceTags_Public_20260112.json': serviceTagsJson({ changeNumber: 6 }).replaceAll('\n', '\r\n'),
  });
  expect(await proxy.app.ranges!.refresh()).toMatchObject({
    outcome: 'unchanged',
    warnings: ['changeNumber went down from 7 to 6'],
  });
  expect(proxy.app.snapshot().generation).toBe(2);
  expect(proxy.app.ranges!.status().provenance).toMatchObject({ date: '2026-01-12', changeNumber: 6 });
  expect(ranged.said('ranges_warning')).toHaveLength(1);
});

test('the next start begins with what the last refresh left in the cache', async () => {
  using folder = createTempFolder();
  await using publisher = await createRangesPublisher();
  publisher.publish({ [newest]: serviceTagsJson() });
  await refreshRanges(rangesRequest(publisher, folder), new Date());
  await using proxy = await startProxy({
    config: `${plainLoopback}ranges: { cacheDir: "${folder.path}" }`,
    rules: ['tag:Storage'],
    ranges: { listFolder: folder.path },
  });
  expect(proxy.app.snapshot().policy.ranges.get('storage')?.size).toBe(2);
  expect(proxy.app.ranges!.status()).toMatchObject({ isStale: false, provenance: { source: 'download page' } });
});

test('a tag that vanishes matches nothing from then on, and an alarm says so', async () => {
  await using destination = await createDestination(echo);
  await using ranged = await startRangedProxy({
    rules: [`tag:Gone:${destination.port}`],
    embedded: { Storage: ['20.60.0.0/16'], Gone: ['127.0.0.0/8'] },
  });
  const { proxy, publisher } = ranged;
  publisher.publish({ [newest]: serviceTagsJson() });
  await proxy.app.ranges!.refresh();
  await using tunnel = await openTunnel(proxy.port, `127.0.0.1:${destination.port}`);
  expect(tunnel.status).toBe(403);
  expect(ranged.said('ranges_tag_vanished')).toEqual([{ tag: 'gone' }]);
  expect(proxy.app.ranges!.status().prefixes).toEqual(new Map([['gone', 0]]));
});

test('a tag that shrinks too far is refused, and taken when an operator insists', async () => {
  const wide = ['20.60.0.0/24', '20.60.1.0/24', '20.60.2.0/24', '20.60.3.0/24'];
  await using ranged = await startRangedProxy({ rules: ['tag:Storage'], embedded: { Storage: wide } });
  const { proxy, publisher } = ranged;
  publisher.publish({ [newest]: serviceTagsJson({ tags: { Storage: ['20.60.0.0/24'] } }) });
  expect(await proxy.app.ranges!.refresh()).toMatchObject({
    outcome: 'refused',
    message: expect.stringContaining('Storage: from 4 to 1 prefixes, a loss of over 40 %') as string,
  });
  expect(proxy.app.snapshot().policy.ranges.get('storage')?.size).toBe(4);
  expect((await proxy.app.ranges!.refresh({ force: true })).outcome).toBe('refreshed');
  expect(proxy.app.snapshot().policy.ranges.get('storage')?.size).toBe(1);
});

test('a cache folder that cannot be written is a warning, and the ranges serve from memory', async () => {
  using folder = createTempFolder();
  // A file in its place stops every user, root too.
  folder.write('cache', 'no folder');
  await using ranged = await startRangedProxy({ rules: ['tag:Storage'], folder });
  const { proxy, publisher } = ranged;
  publisher.publish({ [newest]: serviceTagsJson() });
  expect((await proxy.app.ranges!.refresh()).outcome).toBe('refreshed');
  await proxy.app.ranges!.refresh();
  expect(proxy.app.snapshot().policy.ranges.get('storage')?.size).toBe(2);
  expect(ranged.said('ranges_cache_unwritable')).toEqual([{ cacheDir: `${folder.path}/cache` }]);
});

test('nothing is fetched and nothing read while no rule names a tag', async () => {
  await using ranged = await startRangedProxy({ rules: ['https://a.example'] });
  expect(ranged.proxy.app.ranges!.status()).toMatchObject({ provenance: null, nextRefreshMs: null, isStale: false });
});

test('a tag rule never makes the proxy look up a name beyond the suffixes that Microsoft operates', async () => {
  await using dns = await createDnsServer();
  using folder = createTempFolder();
  folder.write('ranges/public.txt', compactRanges({ Storage: ['127.0.0.0/8'] }));
  await using proxy = await startProxy({
    config: `${plainLoopback}ranges: { cacheDir: "${folder.path}/cache" }`,
    rules: ['tag:Storage', 'https://a.example within tag:Storage'],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
    ranges: { listFolder: folder.path },
  });
  for (const target of ['secret.evil.example:443', 'core.windows.net.evil.example:443', 'notazure.com:443']) {
    await using tunnel = await openTunnel(proxy.port, target);
    expect(tunnel.startLine).toBe(`HTTP/1.1 403 Not on allowlist: ${target}`);
  }
  expect(dns.queries).toEqual([]);
  // One of theirs is looked up, or the silence above would prove nothing.
  await using known = await openTunnel(proxy.port, 'x.blob.core.windows.net:443');
  expect(known.status).toBe(502);
  expect(dns.queries.map(({ name }) => name)).toContain('x.blob.core.windows.net');
});
