/** The status page in a browser, over a running proxy with real clients. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDestination, echo } from '../support/destination.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import type { OperatedOptions, OperatedProxy } from '../support/operated-proxy.ts';
import { openTunnel } from '../support/tunnel.ts';

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** Runs in the page, which has other types than this process. */
const faintTexts = readFileSync(join(import.meta.dirname, 'faint-texts.js'), 'utf8');
let browser: Browser;
beforeAll(async () => {
  browser = await chromium.launch({ executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args });
});
afterAll(() => browser.close());

interface Opened extends AsyncDisposable {
  readonly page: Page;
  /** What a developer's console would show, and requests that were refused. */
  readonly complaints: readonly string[];
  /** Bytes of every answer. */
  readonly sizes: readonly number[];
}

async function openStatus(
  proxy: OperatedProxy,
  { width = 1440, colorScheme = 'light' }: { width?: number; colorScheme?: 'light' | 'dark' } = {},
): Promise<Opened> {
  const admin = String((await proxy.said('started'))['admin']);
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const complaints: string[] = [];
  const sizes: number[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('response', (response) => {
    if (response.url().endsWith('/events')) return;
    void response.body().then((body) => sizes.push(body.length));
  });
  await page.goto(`http://${admin}/status`);
  await page.locator('#state:not(:text("connecting"))').waitFor();
  return { page, complaints, sizes, [Symbol.asyncDispose]: () => page.close() };
}

/** A proxy with one tunnel that flows, one target that was refused, and a client whose every word is hostile. */
async function withTraffic(options: OperatedOptions = {}) {
  const destination = await createDestination(echo);
  const target = `127.0.0.1:${destination.port}`;
  const proxy = await operateProxy({ rules: [`ip:${target}`], ...options });
  const agent = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
  const tunnel = await openTunnel(proxy.port, target, { userAgent: agent, early: 'through' });
  await tunnel.contentOf(7);
  await using refused = await openTunnel(proxy.port, 'telemetry.example:443', { userAgent: agent });
  expect(refused.status).toBe(403);
  return {
    proxy,
    target,
    agent,
    tunnel,
    async [Symbol.asyncDispose]() {
      await tunnel[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await destination.close();
    },
  };
}

test('a refused target is there with the rule that would allow it, and the button copies the rule', async () => {
  await using traffic = await withTraffic();
  await using opened = await openStatus(traffic.proxy);
  const { page } = opened;
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const row = page.locator('#refusals tbody tr', { hasText: 'telemetry.example:443' });
  await row.getByRole('button', { name: 'Copy the rule telemetry.example' }).click();
  await page.getByText('Copied', { exact: true }).waitFor();
  expect(await page.evaluate('navigator.clipboard.readText()')).toBe('telemetry.example');
  expect(await row.textContent()).toContain('not on allowlist');
});

test('what a client sends is text on the page, whatever it is, and the page runs nothing of it', async () => {
  await using traffic = await withTraffic();
  await using opened = await openStatus(traffic.proxy);
  const { page, complaints } = opened;
  await page.locator('#live').getByText(traffic.agent).waitFor();
  expect(await page.title()).toMatch(/^lockdown-proxy/);
  expect(await page.locator('img, #live script').count()).toBe(0);
  expect(complaints).toEqual([]);
});

test('it comes from the proxy alone, in less than 150 kB', async () => {
  await using traffic = await withTraffic();
  await using opened = await openStatus(traffic.proxy);
  await opened.page.locator('#chart-throughput canvas').waitFor();
  expect(opened.sizes.length).toBeGreaterThan(5);
  expect(opened.sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
  const hosts = "performance.getEntriesByType('resource').map(({ name }) => new URL(name).host)";
  expect(new Set(await opened.page.evaluate<string[]>(hosts))).toEqual(new Set([new URL(opened.page.url()).host]));
});

test.each([
  ['wide and light', 1440, 'light'],
  ['wide and dark', 1440, 'dark'],
  ['narrow and light', 360, 'light'],
  ['narrow and dark', 360, 'dark'],
] as const)('%s, nothing runs out of the page and every text stands out from its ground', async (_, width, scheme) => {
  await using traffic = await withTraffic({ config: 'mode: report\nreload: { watch: false }' });
  traffic.proxy.writeRules('*.net');
  await traffic.proxy.ask('reload');
  await using opened = await openStatus(traffic.proxy, { width, colorScheme: scheme });
  const { page } = opened;
  await page.locator('#live tbody tr').waitFor();
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
  expect(await page.evaluate(faintTexts)).toEqual([]);
});

test('the keyboard sorts the tunnels, and focus stays through an update', async () => {
  await using traffic = await withTraffic();
  await using opened = await openStatus(traffic.proxy);
  const { page } = opened;
  await page.locator('#live tbody tr').waitFor();
  const header = page.getByRole('button', { name: 'Client' });
  await header.focus();
  await page.keyboard.press('Enter');
  expect(await page.locator('th', { has: header }).getAttribute('aria-sort')).toBe('ascending');
  const copy = page.getByRole('button', { name: 'Copy the rule telemetry.example' });
  await copy.focus();
  await using again = await openTunnel(traffic.proxy.port, 'telemetry.example:443');
  expect(again.status).toBe(403);
  await page.locator('#refusals tbody tr', { hasText: 'telemetry' }).locator('td', { hasText: /^2$/ }).waitFor();
  expect(await page.evaluate('document.activeElement.dataset.text')).toBe('telemetry.example');
});

test('the filter narrows the tunnels', async () => {
  await using traffic = await withTraffic();
  await using opened = await openStatus(traffic.proxy);
  const { page } = opened;
  await page.locator('#live tbody tr').waitFor();
  await page.getByLabel('Show those with').fill('nobody has this');
  await page.getByText('No open tunnel matches.').waitFor();
  await page.getByLabel('Show those with').fill(traffic.target);
  await page.locator('#live tbody tr').waitFor();
});

test('a reload that failed is said with its faults, and a proxy that went away too', async () => {
  await using traffic = await withTraffic({ config: 'reload: { watch: false }' });
  await using opened = await openStatus(traffic.proxy);
  const { page } = opened;
  await page.getByText('Serving', { exact: true }).waitFor();
  traffic.proxy.writeRules('*.net');
  await traffic.proxy.ask('reload');
  await page.getByText(/rules\.txt:2:3: /).waitFor();
  expect(await page.locator('#state').textContent()).toBe('Serving, needs attention');
  traffic.proxy.signal('SIGKILL');
  await page.getByText(/^No connection to the proxy, last heard at/).waitFor();
});
