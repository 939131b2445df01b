/** What a scrape holds: the promised names, closed labels, and values that are asked for or counted. */
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/observe/metrics.ts';
import type { MetricsSources } from '../../../src/observe/metrics.ts';
import { writePac } from '../../../src/observe/pac.ts';
import { readinessOf } from '../../../src/observe/readiness.ts';
import type { ReadinessSources } from '../../../src/observe/readiness.ts';
import type { RangesStatus } from '../../../src/state/range-feed.ts';
import { exchangeRecord } from '../../support/exchange-record.ts';
import { rulesOf } from '../../support/policy.ts';

const now = Date.UTC(2026, 10, 22);
const ranges: RangesStatus = {
  provenance: { source: 'embedded', date: '2026-11-16' } as unknown as RangesStatus['provenance'],
  freshMs: now - 90_000,
  isStale: false,
  lastRefreshSucceeded: false,
  nextRefreshMs: null,
  prefixes: new Map([['azurebackup', 12]]),
};
const sources: MetricsSources = {
  openRecords: () => [],
  tunnelsOpen: () => 3,
  generation: () => 7,
  lastReloadSucceeded: () => true,
  ranges: () => ranges,
  accessLogDropped: () => 5,
  workers: () => 1,
  now: () => now,
};

/** The samples of a scrape by name and labels. */
async function scrape(metrics: { text(): Promise<string> }): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

test.each([
  ['lockdown_proxy_tunnels_open', 3],
  ['lockdown_proxy_config_generation', 7],
  ['lockdown_proxy_config_last_reload_success', 1],
  ['lockdown_proxy_ranges_age_seconds', 90],
  ['lockdown_proxy_ranges_document_date_seconds', Date.UTC(2026, 10, 16) / 1000],
  ['lockdown_proxy_ranges_prefixes{tag="azurebackup"}', 12],
  ['lockdown_proxy_ranges_last_refresh_success', 0],
  ['lockdown_proxy_access_log_dropped_total', 5],
  ['lockdown_proxy_workers', 1],
  ['lockdown_proxy_auth_failures_total{kind="rejected"}', 0],
])('%s is %d', async (name, value) => {
  expect((await scrape(createMetrics(sources))).get(name)).toBe(value);
});

test('exchanges are counted by kind, verdict and reason, their times in seconds', async () => {
  const metrics = createMetrics(sources);
  metrics.noteExchange(exchangeRecord({ connectMs: 20, dnsMs: 3 }));
  metrics.noteExchange(exchangeRecord({ verdict: 'would_deny', wouldDeny: 'not_on_allowlist', connectMs: null }));
  metrics.noteExchange(exchangeRecord({ verdict: 'deny', reason: 'credentials_rejected', authFailure: 'rejected' }));
  const samples = await scrape(metrics);
  const counted = (verdict: string, reason: string) =>
    samples.get(`lockdown_proxy_exchanges_total{kind="tunnel",verdict="${verdict}",reason="${reason}"}`);
  expect(counted('allow', 'none')).toBe(1);
  expect(counted('would_deny', 'not_on_allowlist')).toBe(1);
  expect(counted('deny', 'credentials_rejected')).toBe(1);
  expect(samples.get('lockdown_proxy_auth_failures_total{kind="rejected"}')).toBe(1);
  expect(samples.get('lockdown_proxy_connect_seconds_bucket{le="0.01"}')).toBe(1);
  expect(samples.get('lockdown_proxy_connect_seconds_bucket{le="0.025"}')).toBe(2);
  expect(samples.get('lockdown_proxy_dns_seconds_count')).toBe(3);
});

test('bytes of open tunnels count as they flow, and once when they have ended', async () => {
  const open = [exchangeRecord({ bytesUp: 10, bytesDown: 100 })];
  const metrics = createMetrics({ ...sources, openRecords: () => open });
  const bytes = async () => {
    const samples = await scrape(metrics);
    return ['up', 'down'].map((way) => samples.get(`lockdown_proxy_bytes_total{direction="${way}"}`));
  };
  expect(await bytes()).toEqual([10, 100]);
  open[0]!.bytesUp = 15;
  metrics.noteExchange(open.pop()!);
  expect(await bytes()).toEqual([15, 100]);
  expect(await bytes()).toEqual([15, 100]);
});

test('what is not known is left out, and nothing a client sends becomes a label', async () => {
  const metrics = createMetrics({ ...sources, ranges: () => null });
  metrics.noteExchange(exchangeRecord({ target: 'secret.example:443', user: 'alice', userAgent: 'curl' }));
  const text = await metrics.text();
  expect(text).not.toMatch(/^lockdown_proxy_ranges_/m);
  expect(text).not.toMatch(/secret|alice|curl|10\.0\.0\.4/);
  expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m);
});

const quiet: ReadinessSources = {
  phase: () => 'ready',
  lastReloadSucceeded: () => true,
  isLastGood: () => false,
  ranges: () => ranges,
  mode: () => 'enforce',
};

test.each<[string, Partial<ReadinessSources>, boolean, readonly string[]]>([
  ['quiet', {}, true, []],
  ['starting', { phase: () => 'starting' }, false, []],
  ['draining', { phase: () => 'draining' }, false, []],
  ['a failed reload', { lastReloadSucceeded: () => false }, true, ['reload_failed']],
  ['last good', { isLastGood: () => true, lastReloadSucceeded: () => false }, true, ['last_good_in_use']],
  ['stale ranges', { ranges: () => ({ ...ranges, isStale: true }) }, true, ['ranges_stale']],
  ['no ranges', { ranges: () => ({ ...ranges, provenance: null }) }, true, ['ranges_missing']],
  ['report mode', { mode: () => 'report' }, true, ['report_mode']],
])('readiness when %s: ready or not, and what else is to be known', (_, changes, ready, details) => {
  expect(readinessOf({ ...quiet, ...changes })).toMatchObject({ ready, details });
});

/** The PAC function as a browser runs it, with its two helpers. */
function runPac(text: string, host: string): string {
  const shape = (name: string, pattern: string): boolean =>
    new RegExp(`^${pattern.replaceAll('.', String.raw`\.`).replaceAll('*', '.*')}$`).test(name);
  const helpers = { isPlainHostName: (name: string) => !name.includes('.'), shExpMatch: shape };
  return String(runInNewContext(`${text}; FindProxyForURL('https://host/', ${JSON.stringify(host)})`, helpers));
}

test.each([
  ['www.example.com', 'PROXY p:1'],
  ['WWW.Example.com.', 'PROXY p:1'],
  ['a.b.core.test', 'PROXY p:1'],
  ['core.test', 'DIRECT'],
  ['up.test.net', 'PROXY p:1'],
  ['md-1.blob.test.org', 'PROXY p:1'],
  ['denied.example.com', 'DIRECT'],
  ['168.63.129.16', 'DIRECT'],
  ['169.254.169.254', 'DIRECT'],
  ['intranet', 'DIRECT'],
  ['elsewhere.example.org', 'DIRECT'],
])('the PAC file sends %s to %s', (host, way) => {
  const lines = ['www.example.com', '*.core.test', '.test.net', 'md-*.blob.test.org', 'deny denied.example.com'];
  expect(runPac(writePac(rulesOf(lines), 'PROXY p:1'), host)).toBe(way);
});
