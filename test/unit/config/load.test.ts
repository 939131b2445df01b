import { describe, expect, it } from 'vitest';
import { formatPrefix, parsePrefix } from '../../../src/address/ip.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { LoadedConfig, LoadOptions } from '../../../src/config/load.ts';
import { ConfigError, formatFault } from '../../../src/errors.ts';

type Files = Readonly<Record<string, string>>;

const shipped: Files = Object.fromEntries(
  ['azure-backup', 'azure-identity', 'azure-arm', 'certificates'].flatMap((name) => [
    [`/lists/public/${name}.txt`, `${name}.example\n`],
    [`/lists/china/${name}.txt`, `${name}.example.cn\n`],
  ]),
);

function load(files: Files, options: Partial<LoadOptions> = {}): LoadedConfig {
  const all: Files = { ...shipped, ...files };
  return loadConfig({
    file: '/etc/proxy/config.yaml',
    readFile(path) {
      const text = all[path];
      if (text === undefined) throw Object.assign(new Error(`open ${path}`), { code: 'ENOENT' });
      return text;
    },
    listFolder: '/lists',
    cloud: 'public',
    networks: () => [],
    ...options,
  });
}

function loadText(text: string, options: Partial<LoadOptions> = {}): LoadedConfig {
  return load({ '/etc/proxy/config.yaml': text }, options);
}

/** The findings of a configuration that is refused. */
function refused(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map(formatFault);
  }
  throw new Error('was not refused');
}

function told(loaded: LoadedConfig): readonly string[] {
  return loaded.findings.map(formatFault);
}

function own(text: string) {
  const parsed = parsePrefix(text);
  return () => (parsed.ok ? [parsed.value] : []);
}

describe('without a file the defaults run', () => {
  const loaded = load({}, { file: null });

  it('they are those of the reference', () => {
    expect(loaded.config).toMatchObject({
      listen: [{ address: '0.0.0.0', port: 3128, tls: null }],
      cloud: 'public',
      allowlist: ['azure-backup', 'azure-identity', 'azure-arm', 'certificates'],
      mode: 'enforce',
      reportFrom: [],
      privateDestinations: [],
      tlsServerName: 'require',
      ranges: { source: 'auto', refreshHours: 24, cacheDir: '/var/lib/lockdown-proxy', maxShrinkPercent: 40 },
      auth: { requiredFrom: [], usersFile: null, realm: 'lockdown-proxy' },
      upstream: { proxy: null, credentialsFile: null, direct: [], resolve: 'needed' },
      limits: {
        connections: 20000,
        connectionsPerClient: 2000,
        headerBytes: 16384,
        headerMs: 10000,
        dnsMs: 5000,
        connectMs: 10000,
        clientHelloMs: 30000,
        idleMs: 900000,
        halfCloseMs: 60000,
        keepAliveMs: 60000,
      },
      log: { access: '-', format: 'json', level: 'info', tunnelOpenAfterMs: 60000 },
      admin: { listen: { address: '127.0.0.1', port: 3129 } },
      health: { listen: null },
      reload: { watch: true, closeRefused: 'denied' },
      workers: 'auto',
      drain: { graceMs: 0, deadlineMs: 30000 },
    });
    expect(loaded.config.networks.map(formatPrefix)).toEqual([
      '127.0.0.0/8',
      '::1/128',
      '10.0.0.0/8',
      '172.16.0.0/12',
      '192.168.0.0/16',
      'fc00::/7',
    ]);
  });

  it('the four lists of the cloud are read', () => {
    expect(loaded.rules.map(({ file, line, text }) => `${file}:${line} ${text}`)).toEqual([
      'lists/public/azure-backup.txt:1 azure-backup.example',
      'lists/public/azure-identity.txt:1 azure-identity.example',
      'lists/public/azure-arm.txt:1 azure-arm.example',
      'lists/public/certificates.txt:1 certificates.example',
    ]);
    expect(loaded.sources).toEqual(Object.keys(shipped).filter((path) => path.includes('public')));
  });

  it('a note names the line that would admit no more than needed', () => {
    const { findings } = load({}, { file: null, networks: own('10.7.0.0/24') });
    expect(findings.map(formatFault)).toEqual([
      "(defaults):1:1: note: `private` admits every private address; name the clients' subnets, as in `networks: [10.7.0.0/24]`",
    ]);
  });
});

describe('a file says what differs from the defaults', () => {
  it('an empty one, a comment, or blocks with nothing in them change nothing', () => {
    const { hash } = load({}, { file: null });
    for (const text of ['', '# nothing\n', 'limits:\nlog:\n', '{}\n']) expect(loadText(text).hash).toBe(hash);
  });

  it('values, words and prefixes are read', () => {
    const { config } = loadText(
      'listen: ["127.0.0.1:0", "[::1]:8080", {address: "10.0.0.4:3128"}]\n' +
        'networks: [auto, 10.9.0.0/16]\ngroups: {servers: [10.1.2.0/24]}\nlimits: {idleMs: 1000}\nworkers: 1\n',
      { networks: own('10.7.0.0/24') },
    );
    expect(config.listen).toEqual([
      { address: '127.0.0.1', port: 0, tls: null },
      { address: '::1', port: 8080, tls: null },
      { address: '10.0.0.4', port: 3128, tls: null },
    ]);
    expect(config.networks.map(formatPrefix)).toEqual(['127.0.0.0/8', '::1/128', '10.7.0.0/24', '10.9.0.0/16']);
    expect(config.groups.get('servers')?.map(formatPrefix)).toEqual(['10.1.2.0/24']);
    expect(config.limits).toMatchObject({ idleMs: 1000, connectMs: 10000 });
  });

  it('the cloud written wins over the cloud found, and chooses the lists', () => {
    expect(loadText('cloud: china\n').rules[0]?.text).toBe('azure-backup.example.cn');
    expect(loadText('cloud: auto\n', { cloud: 'china' }).config.cloud).toBe('china');
  });

  it('paths start from the folder of the file', () => {
    const { config, sources, rules } = load({
      '/etc/proxy/config.yaml': 'allowlist: [own.txt, sub/more.txt, /abs/list.txt]\nlog: {access: log/access.log}\n',
      '/etc/proxy/own.txt': 'a.example\n',
      '/etc/proxy/sub/more.txt': 'b.example\n',
      '/abs/list.txt': 'c.example\n',
    });
    expect(sources).toEqual([
      '/etc/proxy/config.yaml',
      '/etc/proxy/own.txt',
      '/etc/proxy/sub/more.txt',
      '/abs/list.txt',
    ]);
    expect(rules.map(({ file }) => file)).toEqual(sources.slice(1));
    expect(config.log.access).toBe('/etc/proxy/log/access.log');
  });

  it('groups of the file are known to the lists', () => {
    const { rules } = load({
      '/etc/proxy/config.yaml': 'allowlist: [own.txt]\ngroups: {servers: [10.1.2.0/24]}\n',
      '/etc/proxy/own.txt': 'a.example from @servers\n',
    });
    expect(rules[0]?.from?.prefixes.map(formatPrefix)).toEqual(['10.1.2.0/24']);
  });
});

describe('a list that cannot be read whole stops the start', () => {
  it.each([
    ['a name that is near a shipped one', '[azure-bakup]', {}, 'config.yaml:1:13: no shipped list', '`azure-backup`'],
    ['a file that is missing', '[gone.txt]', {}, 'config.yaml:1:13: cannot read the list', 'no such file'],
    ['a list its cloud has not', '[ubuntu]', {}, 'config.yaml:1:13: cannot read the list', 'of the cloud public'],
    ['an empty file', '[own.txt]', { '/etc/proxy/own.txt': '' }, '/etc/proxy/own.txt:1:1: ', 'empty'],
    ['half a file', '[own.txt]', { '/etc/proxy/own.txt': 'a.example\nb.ex' }, '/etc/proxy/own.txt:2:5: ', 'newline'],
    ['a rule at fault', '[own.txt]', { '/etc/proxy/own.txt': 'a.example\n  *.net\n' }, 'own.txt:2:5: ', '`net`'],
  ])('%s', (_, entries, files, place, message) => {
    const findings = refused(() => load({ '/etc/proxy/config.yaml': `allowlist: ${entries}\n`, ...files }));
    const fault = findings.find((text) => text.includes(place));
    expect(fault).toBeDefined();
    expect(fault).toContain(message);
  });

  it.each([
    ['EISDIR', 'it is a folder'],
    ['EACCES', 'may not read it'],
  ])('what the system says against a file is said in words: %s', (code, words) => {
    const readFile = (path: string): string => {
      if (path === 'c.yaml') return 'allowlist: [./own]\n';
      throw Object.assign(new Error('no'), { code });
    };
    expect(refused(() => loadText('', { file: 'c.yaml', readFile }))).toContainEqual(
      expect.stringMatching(new RegExp(`^c.yaml:1:13: cannot read the list .*${words}`)),
    );
  });

  it('a missing configuration is a fault, not the defaults', () => {
    expect(refused(() => load({}))).toEqual([
      '/etc/proxy/config.yaml:1:1: cannot read the configuration: there is no such file (/etc/proxy/config.yaml)',
    ]);
  });

  it('faults of the configuration and of every list are told at once, in the order of files and lines', () => {
    const findings = refused(() =>
      load({
        '/etc/proxy/config.yaml': 'allowlist: [one.txt, two.txt]\nnetworks: [10.0.0.0/8]\nlimits: {idleMs: 0}\n',
        '/etc/proxy/one.txt': '*.net\na.example/x\n',
        '/etc/proxy/two.txt': '*\n',
      }),
    );
    expect(findings.map((text) => text.split(': ')[0])).toEqual([
      '/etc/proxy/config.yaml:3:18',
      '/etc/proxy/one.txt:1:3',
      '/etc/proxy/one.txt:2:10',
      '/etc/proxy/two.txt:1:1',
    ]);
  });
});

describe('rules of several lists are seen together', () => {
  it('a deny in one shadows an allow in another', () => {
    const loaded = load({
      '/etc/proxy/config.yaml': 'allowlist: [one.txt, two.txt]\nnetworks: [10.0.0.0/8]\n',
      '/etc/proxy/one.txt': 'a.example\n',
      '/etc/proxy/two.txt': 'deny a.example\n',
    });
    expect(told(loaded)).toEqual([
      '/etc/proxy/one.txt:1:1: warning: this rule can never match: `deny a.example` (/etc/proxy/two.txt:1) covers it',
    ]);
  });

  it('no list at all refuses everything, and a list named twice is read once', () => {
    expect(told(loadText('allowlist: []\n'))).toContainEqual(expect.stringContaining('every request is refused'));
    const twice = loadText('allowlist: [certificates, certificates]\n');
    expect(twice.rules).toHaveLength(1);
    expect(told(twice)).toContainEqual(
      expect.stringContaining('1:27: note: `certificates` stands in the list already'),
    );
  });
});

describe('the hash', () => {
  const base = { '/etc/proxy/config.yaml': 'allowlist: [own.txt]\n', '/etc/proxy/own.txt': 'a.example\n' };
  const hash = (files: Files) => load({ ...base, ...files }).hash;

  it('is twelve hexadecimal digits', () => {
    expect(hash({})).toMatch(/^[0-9a-f]{12}$/);
  });

  it('is the same for what does the same', () => {
    expect(hash({ '/etc/proxy/own.txt': '# why\n\nA.Example.\n' })).toBe(hash({}));
    expect(hash({ '/etc/proxy/config.yaml': '# c\nmode: enforce\nallowlist:\n  - own.txt\n' })).toBe(hash({}));
  });

  it('differs where a rule, a limit or a group does', () => {
    const hashes = [
      hash({}),
      hash({ '/etc/proxy/own.txt': 'b.example\n' }),
      hash({ '/etc/proxy/config.yaml': 'allowlist: [own.txt]\nlimits: {idleMs: 5}\n' }),
      hash({ '/etc/proxy/config.yaml': 'allowlist: [own.txt]\ngroups: {g: [10.0.0.0/8]}\n' }),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
