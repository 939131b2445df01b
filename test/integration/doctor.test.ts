/** `doctor`: what is well is ok, and what is wrong is named with what mends it. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/address/ip.ts';
import { runProbes } from '../../src/cli/doctor/run-probes.ts';
import { reportAsJson, reportAsText } from '../../src/cli/doctor/report.ts';
import type { Sources } from '../../src/cli/doctor/sources.ts';
import { ProxyError } from '../../src/errors.ts';
import { createAuthority } from '../support/certificates.ts';
import { createDestination, stuck } from '../support/destination.ts';
import { createWorld, findings, of } from '../support/doctor.ts';
import { operateProxy } from '../support/operated-proxy.ts';
import { answerHead, createParent } from '../support/parent.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import type { TempFolder } from '../support/temp-folder.ts';

/** A configuration without anything to remark on. */
function write(folder: TempFolder, extra = ''): string {
  const lines = ['cloud: public', 'networks: ["127.0.0.0/8", "10.1.0.0/16"]', `ranges: { cacheDir: ${folder.path} }`];
  return folder.write('config.yaml', `${lines.join('\n')}\n${extra}\n`);
}

/** What is found over a machine that differs from a healthy one in these. */
async function found(changes: Partial<Sources> = {}, extra = '', offMs = 0, hosts: readonly string[] = []) {
  using folder = createTempFolder();
  await using world = await createWorld(changes, offMs);
  return await findings(write(folder, extra), world, hosts);
}

const failing = (reason: 'dns_timeout' | 'dns_failed', code: string) => () =>
  Promise.reject(new ProxyError(reason, { phrase: `DNS ${code}`, cause: Object.assign(new Error(code), { code }) }));

describe('the way out', () => {
  it('is ok where names lead to public addresses, TLS holds and the clocks agree', async () => {
    const all = await found();
    for (const check of ['config', 'dns', 'egress', 'clock', 'ranges', 'workers', 'state'] as const) {
      expect(
        of(check, all).map(({ state }) => state),
        check,
      ).not.toContain('fail');
      expect(of(check, all).length, check).toBeGreaterThan(0);
    }
    expect(of('egress', all).map(({ state }) => state)).toEqual(['ok', 'ok', 'ok']);
    expect(of('clock', all)[0]?.state).toBe('ok');
  });

  it('names the DNS server that is silent, once, and says nothing of egress', async () => {
    const all = await found({ resolve: failing('dns_timeout', 'ETIMEOUT') });
    expect(of('dns', all)).toHaveLength(1);
    expect(of('dns', all)[0]).toMatchObject({ state: 'fail', detail: expect.stringContaining('10.0.0.2') });
    expect(of('dns', all)[0]?.fix).toContain('168.63.129.16');
    expect(of('egress', all)).toEqual([]);
  });

  it('warns of a name that does not exist, for a private zone may hide it', async () => {
    const all = await found({ resolve: failing('dns_failed', 'ENOTFOUND') });
    expect(of('dns', all).map(({ state }) => state)).toEqual(['warn', 'warn', 'warn']);
  });

  it('tells a private endpoint, and the line that lets it pass', async () => {
    const resolve = () => Promise.resolve([parseAddress('10.1.4.5')!]);
    const [first] = of('dns', await found({ resolve }));
    expect(first).toMatchObject({
      state: 'fail',
      fix: expect.stringContaining("privateDestinations: ['10.1.4.5/32']"),
    });
    const lifted = of('dns', await found({ resolve }, 'privateDestinations: ["10.1.4.0/24"]'));
    expect(lifted.map(({ state }) => state)).toEqual(['ok', 'ok', 'ok']);
  });

  it('names security group and NAT gateway where connecting takes too long', async () => {
    const dial = () => Promise.reject(new ProxyError('connect_timeout'));
    const all = of('egress', await found({ dial }));
    expect(all.map(({ state }) => state)).toEqual(['fail', 'fail', 'fail']);
    expect(all[0]?.fix).toMatch(/network security.*NAT gateway/);
  });

  it('tells a certificate that somebody on the way made', async () => {
    const { cert } = await createAuthority();
    const [first] = of('egress', await found({ authorities: () => [cert] }));
    expect(first).toMatchObject({ state: 'fail', fix: expect.stringContaining('inspection') });
  });

  it('tells how far the clock is off', async () => {
    expect(of('clock', await found({}, '', 2 * 60_000))[0]).toMatchObject({ state: 'warn' });
    const [behind] = of('clock', await found({}, '', 3 * 3_600_000));
    expect(behind).toMatchObject({ state: 'fail', detail: '3 h behind 3 destinations' });
    expect(behind?.fix).toContain('timedatectl set-ntp true');
  });

  it('tries a name of the operator in place of the known one, and names the rule it lacks', async () => {
    const all = of('egress', await found({}, '', 0, ['ours.blob.core.windows.net', 'example.org']));
    expect(all.map(({ detail }) => detail).join('\n')).toContain('ours.blob.core.windows.net');
    expect(all.map(({ detail }) => detail).join('\n')).not.toContain('azureopendatastorage');
    expect(all.find(({ state }) => state === 'fail')?.fix).toContain('example.org');
  });

  it('says of a parent that refuses the credential where to put the right one', async () => {
    await using parent = await createParent(answerHead('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'));
    const all = await found({}, `upstream: { proxy: "http://127.0.0.1:${parent.port}" }`);
    expect(of('parent', all)[0]).toMatchObject({ state: 'fail', fix: expect.stringContaining('credentialsFile') });
  });
});

describe('the machine', () => {
  it('tells a bad configuration with its place, and goes on by the defaults', async () => {
    const all = await found({}, 'lissten: ["0.0.0.0:3128"]');
    expect(of('config', all)[0]).toMatchObject({ state: 'fail', detail: expect.stringContaining('config.yaml:4:1') });
    expect(of('config', all)[0]?.detail).toContain('did you mean `listen`');
    expect(of('egress', all)).toHaveLength(3);
  });

  it('tells a disk that is full', async () => {
    const freeSpace = () => Promise.resolve({ freeBytes: 0, totalBytes: 1e9 });
    expect(of('state', await found({ freeSpace }))[0]).toMatchObject({
      state: 'fail',
      fix: expect.stringContaining('du '),
    });
  });

  it('tells a log that nothing turns over', async () => {
    const all = of('access-log', await found({}, 'log: { access: /var/log/lockdown-proxy/access.log }'));
    expect(all.at(-1)).toMatchObject({ state: 'warn', fix: expect.stringContaining('logrotate') });
  });

  it('tells a unit that has failed, and one whose limit is too low', async () => {
    const text = 'LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\nLimitNOFILE=1024\n';
    const all = await found({ showUnit: () => Promise.resolve(text) });
    expect(of('unit', all)[0]).toMatchObject({ state: 'fail', fix: expect.stringContaining('journalctl') });
    expect(of('open-files', all)[0]).toMatchObject({ state: 'fail', fix: expect.stringContaining('connections: 384') });
  });

  it('tells a socket unit that opens other than `listen`', async () => {
    const text = (listen: string) => `LoadState=loaded\nActiveState=active\nListen=${listen} (Stream)\n`;
    const show = (listen: string) => ({ showUnit: () => Promise.resolve(text(listen)) });
    expect(of('socket-unit', await found(show('0.0.0.0:3128')))[0]?.state).toBe('ok');
    const [other] = of('socket-unit', await found(show('10.0.0.5:8080')));
    expect(other).toMatchObject({ state: 'fail', fix: expect.stringContaining('ListenStream=0.0.0.0:3128') });
  });

  it('takes region and cloud from instance metadata, on Azure machines alone', async () => {
    const asked: string[] = [];
    let environment = 'AzurePublicCloud';
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end(JSON.stringify({ azEnvironment: environment, location: 'westeurope' }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const metadataBase = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(of('metadata', await found({ metadataBase }))).toEqual([]);
    expect(asked).toEqual([]);
    const isAzure = () => Promise.resolve(true);
    const [azure] = of('metadata', await found({ metadataBase, isAzure }));
    expect(azure).toMatchObject({ state: 'ok', detail: expect.stringContaining('Storage.WestEurope') });
    environment = 'AzureUSGovernmentCloud';
    const [other] = of('metadata', await found({ metadataBase, isAzure }));
    expect(other).toMatchObject({ state: 'fail', fix: expect.stringContaining('usgov') });
    server.close();
  });
});

describe('the running proxy', () => {
  it('is ok where it listens, refuses the platform and opens a tunnel', async () => {
    await using destination = await createDestination(stuck);
    await using proxy = await operateProxy({
      config: 'networks: ["127.0.0.0/8"]',
      rules: [`127.0.0.1.nip.example:${destination.port}`, `ip:127.0.0.1/32:${destination.port}`],
    });
    await using world = await createWorld({ askProxy: (command) => proxy.ask(command) });
    const file = join(proxy.folder.path, 'config.yaml');
    const all = await findings(file, world, [`127.0.0.1:${destination.port}`]);
    expect(of('process', all).map(({ state }) => state)).toEqual(['ok']);
    expect(of('forbidden', all).map(({ state }) => state)).toEqual(['ok', 'ok']);
    expect(of('tunnel', all).map(({ state, detail }) => `${state} ${detail}`)[0]).toMatch(/^ok 127\.0\.0\.1:/);
    expect(destination.connections.length).toBeGreaterThan(0);
  });

  it('fails where none runs, with the command that starts it', async () => {
    const all = await found();
    expect(of('process', all)[0]).toMatchObject({ state: 'fail', fix: expect.stringContaining('systemctl start') });
  });
});

describe('the report', () => {
  it('has stable words in JSON, what was not seen apart', async () => {
    const all = await found();
    const report = JSON.parse(reportAsJson(all, 1)) as Record<string, unknown>;
    expect(Object.keys(report)).toEqual(['ok', 'version', 'seconds', 'findings', 'unseen']);
    expect(report['ok']).toBe(false);
    expect(report['unseen']).toContainEqual(expect.objectContaining({ check: 'security-groups' }));
  });

  it('keeps control characters from a terminal', () => {
    const finding = { group: 'network', check: 'dns', state: 'fail', detail: 'a\u001b[2Jb', fix: 'c\u202ed' } as const;
    const terminal = { width: 80, isInteractive: true, paint: (_style: string, text: string) => text };
    expect(reportAsText([finding], 1, terminal)).toMatch(/^[\n\x20-\x7e]*$/);
  });

  it('ends a check that hangs, and keeps what the others found', async () => {
    const hanging = { group: 'network', check: 'dns', budgetMs: 20, run: () => new Promise<never>(() => {}) } as const;
    const throwing = { ...hanging, check: 'egress', run: () => Promise.reject(new Error('broken')) } as const;
    const told = await runProbes([hanging, throwing]);
    expect(told.map(({ check, state }) => `${check} ${state}`)).toEqual(['dns fail', 'egress fail']);
  });
});
