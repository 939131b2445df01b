/** `deploy/clients/check.sh` on a machine of its own: each check is seen to pass, and to fail for its reason. */
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCheckMachine, metadata, proxy, script, storage } from './check-machine.ts';
import type { Changes, CheckMachine, Row } from './check-machine.ts';
import { canMakeNamespaces, untilSaid } from './namespace.ts';

if (!canMakeNamespaces) console.warn('skipped: check.sh is tried in network namespaces, which need root and iproute2');

describe.skipIf(!canMakeNamespaces)('check.sh', () => {
  let machine: CheckMachine;
  const check: CheckMachine['check'] = (...words) => machine.check(...words);
  const report: CheckMachine['report'] = (...words) => machine.report(...words);
  beforeAll(async () => void (machine = await makeCheckMachine()));
  afterAll(() => machine.remove());

  test('says ok to everything on a machine that is ready', () => {
    const { ok, checks } = report({});
    expect(checks.filter(({ state }) => state !== 'ok')).toEqual([]);
    expect(ok).toBe(true);
    const agent = 'agent agent-service python extensions agent-proxy agent-environment';
    const platform = 'wire-server-80 wire-server-32526 metadata data-disks vault-region';
    const rest = 'proxy proxy-storage proxy-forbids system dhcp vault-name';
    expect(checks.map((row) => row.check).join(' ')).toBe(`${agent} ${platform} ${rest}`);
    const text = (name: string) => checks.find((row) => row.check === name)?.text;
    expect(text('data-disks')).toBe('4 data disks');
    expect(text('proxy-storage')).toBe(`a tunnel to ${storage} opens`);
    expect(text('proxy-forbids')).toMatch(/^168\.63\.129\.16 is refused: 403 /);
  });

  test.each<[string, Changes, string, Partial<Row>]>([
    ['no agent', { version: null }, 'agent', { state: 'fail', text: 'the Azure agent is not installed' }],
    ['no unit', { 'lib/systemd/system/walinuxagent.service': null }, 'agent-service', { state: 'fail' }],
    ['a stopped agent', { active: '3' }, 'agent-service', { state: 'fail', text: 'walinuxagent is not running' }],
    ['no Python', { python: null }, 'python', { state: 'fail' }],
    ['an old Python', { python: '2 6' }, 'python', { state: 'fail', text: 'Python 2.6 is older than 2.7' }],
    ['extensions switched off', { 'etc/waagent.conf': 'Extensions.Enabled=n\n' }, 'extensions', { state: 'fail' }],
    ['no settings', { 'etc/waagent.conf': null }, 'agent-proxy', { state: 'fail' }],
    [
      'a proxy without port',
      { 'etc/waagent.conf': 'HttpProxy.Host=10.77.0.4\n#HttpProxy.Port=3128\n' },
      'agent-proxy',
      { state: 'fail', text: 'HttpProxy.Host=10.77.0.4 without HttpProxy.Port: the agent goes direct' },
    ],
    [
      'a proxy of None',
      { 'etc/waagent.conf': 'HttpProxy.Host=None\nHttpProxy.Port=None\n' },
      'agent-proxy',
      { state: 'fail', text: 'HttpProxy.Host is not set: the agent goes direct' },
    ],
    [
      'http_proxy alone',
      { environment: 'http_proxy=http://10.77.0.4:3128' },
      'agent-environment',
      { state: 'fail', text: 'https_proxy is not set for walinuxagent: its extensions go direct' },
    ],
    [
      'a proxy URL without scheme',
      { environment: 'http_proxy=10.77.0.4:3128 https_proxy=http://10.77.0.4' },
      'agent-environment',
      {
        state: 'fail',
        text: 'http_proxy=10.77.0.4:3128 lacks its scheme or port, https_proxy=http://10.77.0.4 lacks its scheme or port for walinuxagent: its extensions go direct',
      },
    ],
    [
      'a proxy with a port that is none',
      { 'etc/waagent.conf': 'HttpProxy.Host=10.77.0.4\nHttpProxy.Port=70000\n' },
      'agent-proxy',
      { state: 'fail', text: expect.stringContaining('are no host and port') as string },
    ],
    ['33 disks', { metadata: metadata(33) }, 'data-disks', { state: 'fail' }],
    [
      '17 disks that are not managed',
      { metadata: metadata(17, 'westeurope', 'AzurePublicCloud', 'https://a.blob.core.windows.net/vhds/d.vhd') },
      'data-disks',
      { state: 'fail', text: '17 unmanaged data disks; a VM with more than 16 cannot be backed up' },
    ],
    ['no name of a system', { 'etc/os-release': null }, 'system', { state: 'warn' }],
    [
      'another region',
      { metadata: metadata(1, 'northeurope') },
      'vault-region',
      { state: 'fail', fix: 'make a vault in northeurope' },
    ],
    ['CoreOS', { 'etc/os-release': 'ID="coreos"\n' }, 'system', { state: 'fail' }],
  ])('%s', (_name, changes, name, row) => {
    expect(report(changes).checks).toContainEqual(expect.objectContaining({ check: name, ...row }));
    const [found] = report(changes).checks.filter((one) => one.check === name);
    expect(found?.fix).not.toBeNull();
  });

  test.each<[string, readonly string[], string, Partial<Row>]>([
    [
      'a proxy that is not there',
      ['--proxy', '10.77.0.4:9'],
      'proxy',
      { state: 'fail', text: '10.77.0.4:9 is not reached' },
    ],
    ['another proxy than the agent’s', ['--proxy', 'http://10.77.0.5:3128/'], 'agent-proxy', { state: 'warn' }],
    [
      'a name that the proxy refuses',
      ['--storage', 'other.example'],
      'proxy-storage',
      { state: 'fail', text: expect.stringMatching(/^other\.example: 403 Not on allowlist/) as string },
    ],
    ['a name of a vault that cannot be', ['--vault', '1vault'], 'vault-name', { state: 'fail' }],
  ])('%s', (_name, argv, name, row) => {
    expect(report({}, ...argv).checks).toContainEqual(expect.objectContaining({ check: name, ...row }));
  });

  test.each(['168.63.129.16', '169.254.169.254'])('%s that is not reached', (address) => {
    machine.vm.ip('address', 'del', `${address}/32`, 'dev', 'lo');
    try {
      const { ok, checks } = report({});
      const bad = checks.filter(({ state }) => state !== 'ok').map((row) => [row.check, row.state, row.fix !== null]);
      const wire = [80, 32526].map((port) => [`wire-server-${port}`, 'fail', true]);
      expect(bad).toEqual(address === '168.63.129.16' ? wire : [['metadata', 'warn', true]]);
      // A warning alone does not fail a fleet's check.
      expect(ok).toBe(address !== '168.63.129.16');
    } finally {
      machine.vm.ip('address', 'add', `${address}/32`, 'dev', 'lo');
    }
  });

  test('an address that is not by DHCP is a warning', () => {
    const lasting = (time: string) =>
      machine.vm.ip(
        'address',
        'change',
        '10.77.0.4/24',
        'dev',
        machine.cable,
        'valid_lft',
        time,
        'preferred_lft',
        time,
      );
    lasting('forever');
    try {
      expect(report({}).checks.filter(({ state }) => state !== 'ok')).toEqual([
        expect.objectContaining({ check: 'dhcp', state: 'warn' }),
      ]);
    } finally {
      lasting('3600');
    }
  });

  test.each([
    ['AzurePublicCloud', 'core.windows.net'],
    ['AzureUSGovernmentCloud', 'core.usgovcloudapi.net'],
    ['AzureChinaCloud', 'core.chinacloudapi.cn'],
  ])('without --storage, a name of %s is asked for', (cloud, suffix) => {
    const { checks } = report({ metadata: metadata(1, 'westeurope', cloud) }, '--storage', '');
    const [row] = checks.filter(({ check: name }) => name === 'proxy-storage');
    expect(row?.text).toMatch(new RegExp(`^md-ready\\.blob\\.${suffix}: 403 `));
  });

  test('the region as the portal writes it is the same region', () => {
    expect(report({}, '--vault-region', 'West Europe').ok).toBe(true);
  });

  test.each([
    [3130, 'HTTP/1.1 407 Proxy Authentication Required', 'cannot sign in'],
    [3131, 'HTTP/1.1 502 DNS: no such name', 'is it right?'],
    [3132, '', 'lockdown-proxy doctor'],
  ])('a proxy on port %i that answers "%s"', async (port, answer, fix) => {
    const other = `require('node:net').createServer((s) => { s.on('error', () => {}); s.once('data', () => s.end(process.argv[1] && process.argv[1] + '\\r\\n\\r\\n')); }).listen(${port}, '10.77.0.4', () => console.log('listening'))`;
    await untilSaid(machine.vm.start([process.execPath, '-e', other, answer]), 'listening');
    const { checks } = report({}, '--proxy', `10.77.0.4:${port}`);
    const [row] = checks.filter(({ check: name }) => name === 'proxy-storage');
    expect(row).toMatchObject({ state: 'fail', fix: expect.stringContaining(fix) as string });
  });

  test('a proxy that opens tunnels to the platform is told', async () => {
    const careless = `require('node:net').createServer((s) => { s.on('error', () => {}); s.once('data', () => s.end('HTTP/1.1 200 OK\\r\\n\\r\\n')); }).listen(3129, '10.77.0.4', () => console.log('listening'))`;
    await untilSaid(machine.vm.start([process.execPath, '-e', careless]), 'listening');
    const { checks } = report({}, '--proxy', '10.77.0.4:3129');
    expect(checks).toContainEqual(expect.objectContaining({ check: 'proxy-forbids', state: 'fail' }));
  });

  test('for people: a line a check, the fix under what failed', () => {
    const { out, status } = check({ active: '3' });
    expect(status).toBe(1);
    expect(out).toMatch(/^ok {4}agent {15}WALinuxAgent-2\.7\.3\.0 running on ubuntu 24\.04\n/);
    expect(out).toContain(
      'fail  agent-service       walinuxagent is not running\n                          -> systemctl enable --now walinuxagent',
    );
    expect(check({}).status).toBe(0);
  });

  test('what stands in files cannot break the JSON', () => {
    const odd = 'a"b\\c\td\u001b[2J\u00e9';
    const { checks } = report({ version: odd, 'etc/waagent.conf': `HttpProxy.Host=${odd}\nHttpProxy.Port=1\n` });
    expect(checks.find(({ check: name }) => name === 'agent')?.text).toBe('a"b\\cd[2J??');
  });

  test.each([
    [['--frobnicate'], 'check.sh: unknown argument: --frobnicate\nusage: '],
    [['--proxy'], 'check.sh: --proxy: a value is missing'],
    [['--proxy', '10.0.0.5'], 'check.sh: --proxy: write HOST:PORT, such as 10.0.0.5:3128; got 10.0.0.5'],
    [['--proxy', '10.0.0.5:70000'], 'check.sh: --proxy: write HOST:PORT, such as 10.0.0.5:3128; got 10.0.0.5:70000'],
    [['--proxy', '10.0.0.5:0'], 'check.sh: --proxy: write HOST:PORT, such as 10.0.0.5:3128; got 10.0.0.5:0'],
    [['--storage', 'a b'], 'check.sh: --storage: write a host name; got a b'],
  ])('%j is wrong usage', (argv, told) => {
    const done = machine.vm.run(['bash', script, ...argv]);
    expect(done.status).toBe(2);
    expect(done.told.slice(0, told.length)).toBe(told);
    expect(done.out).toBe('');
  });
  test('the proxy is the one of the settings where none is given', () => {
    expect(report({}).proxy).toBe(proxy);
  });
});
