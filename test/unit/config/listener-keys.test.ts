/** `listen[].tls`: files that cannot serve are faults with their place, files that soon will not are warnings. */
import { beforeAll, describe, expect, it } from 'vitest';
import { inspectConfig } from '../../../src/config/load.ts';
import { formatFault } from '../../../src/errors.ts';
import {
  createAuthority,
  createCertificate,
  createClientCertificate,
  createSelfSigned,
} from '../../support/certificates.ts';
import type { Certificate } from '../../support/certificates.ts';

let authority: Certificate;
let leaf: Certificate;
let other: Certificate;
beforeAll(async () => {
  authority = await createAuthority();
  leaf = await createCertificate(authority, ['proxy.test']);
  other = await createClientCertificate(authority, { commonName: 'other', endsInMs: 365 * dayMs });
});

const dayMs = 24 * 60 * 60 * 1000;
const encrypted = '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n';
const line = 'listen: [{ address: "0.0.0.0:3443", tls: { cert: c.pem, key: k.pem, clientCa: ca.pem } }]';

interface Options {
  readonly files?: Readonly<Record<string, string>>;
  readonly mode?: number;
  readonly now?: () => number;
  readonly text?: string;
}

/** Looks at a configuration with one TLS listener; `users.txt` is a list that asks for a user. */
function inspect({ files = {}, mode = 0o600, now, text = line }: Options = {}) {
  const all: Readonly<Record<string, string>> = {
    '/etc/p/config.yaml': `${text}\nallowlist: [./users.txt]\nnetworks: [10.1.0.0/16]\n`,
    '/etc/p/users.txt': 'a.example user backup\n',
    '/etc/p/c.pem': other.cert,
    '/etc/p/k.pem': other.key,
    '/etc/p/ca.pem': authority.cert,
    ...files,
  };
  const inspected = inspectConfig({
    file: '/etc/p/config.yaml',
    readFile(path) {
      const found = all[path];
      if (found === undefined || found === 'absent') throw Object.assign(new Error('open'), { code: 'ENOENT' });
      return found;
    },
    fileMode: (path) => (path.endsWith('k.pem') ? mode : 0o600),
    listFolder: '/lists',
    cloud: 'public',
    networks: () => [],
    ...(now && { now }),
  });
  return { ...inspected, said: inspected.findings.map(formatFault) };
}

it('files beside the configuration are read, and `user` rules need no users file', () => {
  const { said, listenerKeys, sources, config } = inspect();
  expect(said).toEqual([]);
  expect(listenerKeys).toEqual([{ cert: other.cert, key: other.key, clientCa: authority.cert }]);
  expect(sources).toEqual(expect.arrayContaining(['/etc/p/c.pem', '/etc/p/k.pem', '/etc/p/ca.pem']));
  expect(config.listen[0]?.tls?.cert).toBe('/etc/p/c.pem');
});

it('without clientCa they do', () => {
  const { said, listenerKeys } = inspect({ text: line.replace(', clientCa: ca.pem', '') });
  expect(said).toEqual([expect.stringContaining('`user` needs `auth.usersFile`')]);
  expect(listenerKeys[0]?.clientCa).toBeNull();
});

it('with clientCa credentials can be required without a users file', () => {
  expect(inspect({ text: `${line}\nauth: { requiredFrom: [10.0.0.0/8] }` }).said).toEqual([]);
});

it('a plain listener has no keys', () => {
  expect(inspect({ text: `${line.slice(0, -1)}, "0.0.0.0:3128"]` }).listenerKeys).toEqual([expect.any(Object), null]);
});

describe('a fault stands at the key it is about', () => {
  it('a certificate with a key too short to be shown', async () => {
    const short = await createSelfSigned('short.test', 1024);
    const { said } = inspect({ files: { '/etc/p/c.pem': short.cert, '/etc/p/k.pem': short.key } });
    const message = '/etc/p/c.pem: an RSA key of 1024 bits is too short; make one of 2048 or more';
    expect(said).toEqual([`/etc/p/config.yaml:1:44: ${message}`]);
  });

  it.each<[string, () => Readonly<Record<string, string>>, string, string]>([
    [
      'a missing certificate',
      () => ({ '/etc/p/c.pem': 'absent' }),
      '1:44',
      '`cert`: cannot be read: there is no such file (/etc/p/c.pem)',
    ],
    [
      'no certificate',
      () => ({ '/etc/p/c.pem': 'hello\n' }),
      '1:44',
      '`cert`: /etc/p/c.pem does not hold what it should, in PEM',
    ],
    [
      'a key in place of the certificate',
      () => ({ '/etc/p/c.pem': other.key }),
      '1:44',
      '`cert`: /etc/p/c.pem does not hold',
    ],
    ['no key', () => ({ '/etc/p/k.pem': '' }), '1:57', '`key`: /etc/p/k.pem does not hold'],
    [
      'a key with a passphrase',
      () => ({ '/etc/p/k.pem': encrypted }),
      '1:57',
      '`key`: /etc/p/k.pem needs a passphrase; take it off with `openssl pkey',
    ],
    [
      'the key of another certificate',
      () => ({ '/etc/p/k.pem': leaf.key }),
      '1:57',
      'the key in /etc/p/k.pem does not belong to the certificate in /etc/p/c.pem',
    ],
    ['no authority', () => ({ '/etc/p/ca.pem': 'hello\n' }), '1:69', '`clientCa`: /etc/p/ca.pem does not hold'],
  ])('%s', (_name, files, place, message) => {
    const { said, listenerKeys } = inspect({ files: files() });
    expect(said).toEqual([expect.stringContaining(`/etc/p/config.yaml:${place}: ${message}`)]);
    expect(listenerKeys).toEqual([null]);
    expect(said.join()).not.toContain('BEGIN PRIVATE');
  });
});

describe('a warning says what will fail', () => {
  it.each<[string, () => Options, string]>([
    ['an expired certificate', () => ({ now: () => Date.now() + 400 * dayMs }), 'CN=other has expired on '],
    ['one that ends soon', () => ({ now: () => Date.now() + 355 * dayMs }), 'CN=other expires on '],
    ['one that is not valid yet', () => ({ now: () => Date.now() - 2 * dayMs }), 'CN=other is not valid before '],
    [
      'a key that everybody can read',
      () => ({ mode: 0o644 }),
      'can read the key (mode 0644); run `chmod 600 /etc/p/k.pem`',
    ],
    ['a client authority that is none', () => ({ files: { '/etc/p/ca.pem': other.cert } }), 'CN=other is no authority'],
  ])('of %s', (_name, options, message) => {
    const { said, listenerKeys } = inspect(options());
    expect(said).toContainEqual(expect.stringMatching(/^\/etc\/p\/config\.yaml:1:\d+: warning: /));
    expect(said.join('\n')).toContain(message);
    expect(listenerKeys[0]).not.toBeNull();
  });
});
