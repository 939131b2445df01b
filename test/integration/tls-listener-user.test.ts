/** Client certificates: whom they name, what they open, and how they and credentials stand beside each other. */
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Certificate, ClientNames } from '../support/certificates.ts';
import { createAuthority, createCertificate, createClientCertificate } from '../support/certificates.ts';
import { createDestination, silent } from '../support/destination.ts';
import type { Destination } from '../support/destination.ts';
import { forbidCrashes } from '../support/forwarding.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestProxyOptions } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectSecure } from '../support/tls-client.ts';
import { plainLoopback, readAnswer } from '../support/tunnel.ts';
import { basic, guess, passwords, userLines } from '../support/users.ts';

forbidCrashes();

let authority: Certificate;
let leaf: Certificate;
beforeAll(async () => {
  authority = await createAuthority();
  leaf = await createCertificate(authority, ['127.0.0.1']);
});

const listener = '{ address: "127.0.0.1:0", tls: { cert: ./cert.pem, key: ./key.pem, clientCa: ./ca.pem } }';

async function startBoth(options: { rules?: string; config?: string } & Omit<TestProxyOptions, 'rules'> = {}) {
  const stack = new AsyncDisposableStack();
  const destination: Destination = stack.use(await createDestination(silent));
  const { rules = 'user backup', config = '', ...others } = options;
  const proxy = stack.use(
    await startProxy({
      listeners: `[${listener}, "127.0.0.1:0"]`,
      config: plainLoopback + config,
      rules: [`ip:127.0.0.1:${destination.port} ${rules}`],
      files: { 'cert.pem': leaf.cert, 'key.pem': leaf.key, 'ca.pem': authority.cert },
      ...others,
    }),
  );
  const target = `127.0.0.1:${destination.port}`;
  return {
    proxy,
    destination,
    target,
    /** Asks for a tunnel with this certificate; the answer's status line. */
    async ask(client: Certificate | null, fields = ''): Promise<string> {
      await using wire = await connectSecure(proxy.port, { ca: authority.cert, ...client });
      await wire.write(`CONNECT ${target} HTTP/1.1\r\n${fields}\r\n`);
      const { startLine } = await readAnswer(wire);
      return startLine;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const certificate = (names: ClientNames): Promise<Certificate> => createClientCertificate(authority, names);

describe('a client certificate names a user', () => {
  it.each<[string, ClientNames, string]>([
    ['by its common name', { commonName: 'backup' }, 'backup'],
    ['by a DNS name before that', { commonName: 'other', dns: 'vm1.contoso.example' }, 'vm1.contoso.example'],
    ['by a URI before that', { commonName: 'other', dns: 'vm1', uri: 'spiffe://contoso/vm1' }, 'spiffe://contoso/vm1'],
    [
      'by an email address before all',
      { commonName: 'other', dns: 'vm1', uri: 'u:x', email: 'vm1@contoso.example' },
      'vm1@contoso.example',
    ],
  ])('%s', async (_name, names, user) => {
    await using both = await startBoth({ rules: names.uri === undefined || names.email ? `user ${user}` : '' });
    expect(await both.ask(await certificate(names))).toBe('HTTP/1.1 200 Connection established');
    expect(await both.proxy.record()).toMatchObject({ user, verdict: 'allow', authFailure: null });
  });
});

describe('without credentials, where only a user is missing,', () => {
  it('a certificate of another user is refused by the rules, and not asked again', async () => {
    await using both = await startBoth();
    expect(await both.ask(await certificate({ commonName: 'guest' }))).toMatch(/^HTTP\/1\.1 403 Not on allowlist/);
    expect(await both.proxy.record()).toMatchObject({ user: 'guest', reason: 'not_on_allowlist' });
  });

  it.each(['the TLS port', 'the plain port'])('a client without certificate is asked for one on %s', async (port) => {
    await using both = await startBoth();
    const wire =
      port === 'the TLS port'
        ? await connectSecure(both.proxy.port, { ca: authority.cert })
        : await connectRaw(both.proxy.app.listeners[1]!.port);
    // Nothing could verify them: they are dropped unread.
    await wire.write(`CONNECT ${both.target} HTTP/1.1\r\nProxy-Authorization: Basic broken\r\n\r\n`);
    const text = (await wire.all()).toString('latin1');
    await wire[Symbol.asyncDispose]();
    expect(text).toMatch(/^HTTP\/1\.1 407 Proxy Authentication Required: show a client certificate\r\n/);
    expect(await both.proxy.record()).toMatchObject({ verdict: 'challenge', authFailure: 'missing', user: null });
  });

  it('a client without certificate passes where no rule asks for a user', async () => {
    await using both = await startBoth({ rules: '' });
    expect(await both.ask(null)).toBe('HTTP/1.1 200 Connection established');
    expect(await both.proxy.record()).toMatchObject({ user: null, verdict: 'allow' });
  });
});

describe('beside a users file', () => {
  const withUsers = { config: 'auth: { usersFile: ./users, requiredFrom: [127.0.0.0/8] }', users: userLines };

  it('a certificate counts as credentials, whether or not the file knows the user', async () => {
    await using both = await startBoth(withUsers);
    expect(await both.ask(await certificate({ commonName: 'backup' }))).toMatch(/ 200 /);
    expect(await both.proxy.record()).toMatchObject({ user: 'backup', authScheme: null });
  });

  it('credentials that come all the same are verified, and are who asks', async () => {
    await using both = await startBoth({ ...withUsers, rules: 'user ann' });
    const client = await certificate({ commonName: 'backup' });
    expect(await both.ask(client, `Proxy-Authorization: ${basic('ann', passwords.ann)}\r\n`)).toMatch(/ 200 /);
    expect(await both.ask(client, `Proxy-Authorization: ${basic('ann', guess)}\r\n`)).toMatch(/ 407 /);
    await both.proxy.record(1);
    const found = both.proxy.records.map(({ user, authFailure }) => ({ user, authFailure }));
    expect(found).toContainEqual({ user: 'ann', authFailure: null });
    expect(found).toContainEqual({ user: 'ann', authFailure: 'rejected' });
  });

  it('who has no certificate signs in as ever', async () => {
    await using both = await startBoth({ ...withUsers, rules: 'user ann' });
    expect(await both.ask(null)).toMatch(/ 407 Proxy Authentication Required: send Basic credentials/);
    expect(await both.ask(null, `Proxy-Authorization: ${basic('ann', passwords.ann)}\r\n`)).toMatch(/ 200 /);
  });
});

describe('a certificate that does not hold ends the connection, and nobody is asked anything', () => {
  it.each<[string, () => Promise<Certificate>, string]>([
    [
      'of another authority',
      async () => createClientCertificate(await createAuthority(), { commonName: 'backup' }),
      'SIGNATURE',
    ],
    ['that has expired', () => certificate({ commonName: 'backup', endsInMs: -1000 }), 'CERT_HAS_EXPIRED'],
    ['for servers alone', () => certificate({ commonName: 'backup', forServers: true }), 'INVALID_PURPOSE'],
  ])('%s', async (_name, make, word) => {
    await using both = await startBoth({ rules: '' });
    const client = await make();
    const socket = connectTls({ host: '127.0.0.1', port: both.proxy.port, ca: authority.cert, ...client });
    socket.on('error', () => {});
    socket.once('secureConnect', () => socket.write(`CONNECT ${both.target} HTTP/1.1\r\n\r\n`));
    let got = 0;
    socket.on('data', (bytes: Buffer) => (got += bytes.length));
    await once(socket, 'close');
    expect(got).toBe(0);
    const record = await both.proxy.record();
    expect(record).toMatchObject({ kind: 'connection', reason: 'malformed_request', user: null });
    expect(record.hint).toMatch(new RegExp(`^client certificate refused: \\w*${word}`));
    expect(both.destination.connections).toEqual([]);
  });
});

it('a session cannot be resumed past its certificate: each connection shows it again', async () => {
  await using both = await startBoth();
  const client = await certificate({ commonName: 'backup' });
  const first = await connectSecure(both.proxy.port, { ca: authority.cert, ...client });
  const session = (first.socket as ReturnType<typeof connectTls>).getSession();
  await first[Symbol.asyncDispose]();
  await using second = await connectSecure(both.proxy.port, { ca: authority.cert, ...(session && { session }) });
  expect((second.socket as ReturnType<typeof connectTls>).isSessionReused()).toBe(false);
  await second.write(`CONNECT ${both.target} HTTP/1.1\r\n\r\n`);
  expect((await readAnswer(second)).status).toBe(407);
});
