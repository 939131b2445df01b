/** `upstream` and its credentials file: what is read, and what is refused without telling the secret. */
import { describe, expect, it } from 'vitest';
import { inspectConfig } from '../../../src/config/load.ts';
import { formatFault } from '../../../src/errors.ts';

const secret = 'ours:parent-word';

/** Looks at a configuration with these files beside it; `modes` are permission bits. */
function inspect(text: string, files: Record<string, string> = {}, modes: Record<string, number> = {}) {
  const all: Record<string, string> = { 'c.yaml': `allowlist: []\n${text}\n`, ...files };
  const inspected = inspectConfig({
    file: 'c.yaml',
    readFile(path) {
      const found = all[path];
      if (found === undefined) throw Object.assign(new Error(`open ${path}`), { code: 'ENOENT' });
      return found;
    },
    fileMode: (path) => modes[path] ?? 0o600,
    listFolder: '/lists',
    cloud: 'public',
    networks: () => [],
  });
  const said = inspected.findings
    .map(formatFault)
    .filter((line) => !/`private` admits|no list: every request/.test(line));
  return { ...inspected, said };
}

describe('upstream.proxy', () => {
  it.each([
    ['http://10.0.0.9:8080', { host: '10.0.0.9', port: 8080, isTls: false }],
    ['HTTPS://Proxy.Contoso.Example.:443/', { host: 'proxy.contoso.example', port: 443, isTls: true }],
    ['http://[fd00::9]:3128', { host: 'fd00::9', port: 3128, isTls: false }],
  ])('%s is read', (url, expected) => {
    const { config, said } = inspect(`upstream: { proxy: "${url}" }`);
    expect(said).toEqual([]);
    expect(config.upstream.proxy).toMatchObject(expected);
  });

  it.each([
    ['http://ours:parent-word@10.0.0.9:8080', 'upstream.credentialsFile'],
    ['ours:parent-word@10.0.0.9:8080', 'upstream.credentialsFile'],
    ['10.0.0.9:8080', 'write the scheme too, as in "http://10.0.0.9:8080"'],
    ['http://10.0.0.9', 'write the port too, as in "http://10.0.0.9:3128"'],
    ['socks5://10.0.0.9:1080', 'in http:// or https://, as in "http://10.0.0.9:1080"'],
    ['http://10.0.0.9:8080/proxy.pac', 'nothing follows the port; write "http://10.0.0.9:8080"'],
    ['http://10.0.0.9:0', 'Port in URL not 1 to 65535'],
    ['http://0x7f.1:80', 'Malformed'],
    ['http://', 'Host missing'],
  ])('%s is a fault with its place, and repeats no password', (url, message) => {
    const { said } = inspect(`upstream: { proxy: "${url}" }`);
    expect(said).toEqual([expect.stringMatching(/^c\.yaml:2:20: `upstream\.proxy`: /)]);
    expect(said[0]).toContain(message);
    expect(said[0]).not.toContain('parent-word');
  });

  it('that is a listener of this proxy is a fault', () => {
    const { said } = inspect('listen: ["0.0.0.0:3128"]\nupstream: { proxy: "http://127.0.0.1:3128" }');
    expect(said).toEqual(['c.yaml:3:20: 127.0.0.1:3128 is where this proxy itself listens; name its parent']);
    expect(inspect('upstream: { proxy: "http://10.0.0.9:3128" }').said).toEqual([]);
  });
});

describe('upstream.direct', () => {
  it('takes prefixes, addresses and the ends of names', () => {
    const { config, said } = inspect(
      'upstream: { proxy: "http://10.0.0.9:80", direct: ["10.0.0.0/8", "fd00::1", "*.a.example", ".b.example", C.example] }',
    );
    expect(said).toEqual([]);
    expect(
      config.upstream.direct.map((entry) => (entry.type === 'suffix' ? entry.name : entry.prefix.address.text)),
    ).toEqual(['10.0.0.0', 'fd00::1', 'a.example', 'b.example', 'c.example']);
  });

  it.each(['*', '*.*.example', 'http://a.example', 'a.example:443', '10.0.0.1/8', 'bücher.example'])(
    '%s is a fault',
    (entry) => {
      const { said } = inspect(`upstream: { proxy: "http://10.0.0.9:80", direct: ["${entry}"] }`);
      expect(said).toEqual([expect.stringMatching(/^c\.yaml:2:\d+: `upstream\.direct\.0`: /)]);
    },
  );

  it('and resolve say that they change nothing without a parent', () => {
    expect(inspect('upstream: { direct: [a.example], resolve: always }').said).toEqual([
      'c.yaml:2:21: warning: `upstream.direct` changes nothing without `upstream.proxy`',
      'c.yaml:2:43: warning: `upstream.resolve` changes nothing without `upstream.proxy`',
    ]);
  });
});

describe('upstream.credentialsFile', () => {
  const yaml = 'upstream: { proxy: "https://10.0.0.9:80", credentialsFile: secret }';

  it.each([[`${secret}\n`], [secret], [`${secret}\r\n`], [`\ufeff${secret}\n`]])('%j is a credential', (text) => {
    const { parentCredential, said, sources, config } = inspect(yaml, { secret: text });
    expect(parentCredential).toBe(secret);
    expect(said).toEqual([]);
    expect(sources).toContain('secret');
    expect(JSON.stringify(config)).not.toContain('parent-word');
  });

  it('may have colons in its password, and an empty one', () => {
    expect(inspect(yaml, { secret: 'u:a:b\n' }).parentCredential).toBe('u:a:b');
    expect(inspect(yaml, { secret: 'u:\n' }).parentCredential).toBe('u:');
  });

  it.each([
    ['', 'the file is empty'],
    ['\n', 'the file is empty'],
    ['parent-word\n', 'there is no user name with a colon behind it'],
    [':parent-word\n', 'there is no user name with a colon behind it'],
    ['a:parent-word\nb:parent-word\n', 'it has more than one line'],
    ['a:parent-word\u0007\n', 'it has a control character'],
    ['a:parent-word\ufffd\n', 'it is not UTF-8'],
  ])('%j is a fault that does not repeat it', (text, why) => {
    const { parentCredential, said } = inspect(yaml, { secret: text });
    expect(parentCredential).toBeNull();
    expect(said).toEqual([`c.yaml:2:43: secret: ${why}; write one line user:password`]);
  });

  it('that others may read is a fault with the command that repairs it', () => {
    const { said } = inspect(yaml, { secret: `${secret}\n` }, { secret: 0o100_644 });
    expect(said).toEqual([
      'c.yaml:2:43: everybody on this machine can read the credentials file (mode 0644); run `chmod 600 secret`',
    ]);
    expect(inspect(yaml, { secret: `${secret}\n` }, { secret: 0o640 }).said).toEqual([]);
  });

  it('that is not there is a fault', () => {
    expect(inspect(yaml).said).toEqual([
      'c.yaml:2:43: cannot read the credentials file: there is no such file (secret); it holds one line user:password',
    ]);
  });

  it('without a parent is a fault, and over plain http a note', () => {
    expect(inspect('upstream: { credentialsFile: secret }', { secret }).said).toEqual([
      'c.yaml:2:13: a credential for no parent: `upstream.credentialsFile` needs `upstream.proxy`',
    ]);
    expect(inspect(yaml.replace('https', 'http'), { secret }).said).toEqual([
      expect.stringContaining('note: the credential goes to the parent unencrypted'),
    ]);
  });

  it('changes no hash: what the log says of a configuration says nothing of a password', () => {
    const [one, two] = ['u:one', 'u:two'].map((text) => inspect(yaml, { secret: text }).hash);
    expect(one).toBe(two);
  });
});
