/** Who has to say who it is: required clients, rules for users, and everybody who says so unasked. */
import { describe, expect, it } from 'vitest';
import { answerWith, createDestination, echo } from '../support/destination.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw, parseMessage } from '../support/raw-client.ts';
import { admitLoopback, plainLoopback, readAnswer } from '../support/tunnel.ts';
import { basic, guess, passwords, signedIn, userLines } from '../support/users.ts';

const users = userLines;
/** Half of loopback has to sign in. */
const auth = 'auth: {usersFile: ./users, requiredFrom: ["127.0.2.0/23"]}\n';
const free = '127.0.1.4';
const required = '127.0.2.4';
const missing = 'HTTP/1.1 407 Proxy Authentication Required: send Basic credentials';
const wrong = `Proxy-Authorization: ${basic('ann', guess)}\r\n`;

/** Opens a tunnel to an echoing destination that this rule is about; gives the status line and the log line. */
async function connectFrom(localAddress: string, fields: string, clauses: string) {
  await using destination = await createDestination(echo);
  const rules = [`ip:127.0.0.1:${destination.port}${clauses}`];
  await using proxy = await startProxy({ config: plainLoopback + auth, rules, users });
  await using wire = await connectRaw(proxy.port, { localAddress });
  await wire.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n${fields}\r\n`);
  const { startLine, status } = await readAnswer(wire);
  if (status === 200) {
    await wire.write('hello');
    await wire.until('hello');
  }
  wire.end();
  await wire.all();
  return { startLine, record: await proxy.record(), connections: destination.connections.length };
}

describe('a tunnel is opened', () => {
  it.each([
    ['for anybody, anonymously', free, '', '', null],
    ['for anybody who signs in', free, signedIn('ann'), '', 'ann'],
    ['for a required client that signs in', required, signedIn('bob'), '', 'bob'],
    ['for the user that the rule names', free, signedIn('ann'), ' user ann', 'ann'],
    [
      'for one of its users with a name and a password of any alphabet',
      required,
      signedIn('zoé'),
      ' user ann,zoé',
      'zoé',
    ],
  ])('%s', async (_name, client, fields, clauses, user) => {
    const { startLine, record, connections } = await connectFrom(client, fields, clauses);
    expect(startLine).toMatch(/^HTTP\/1\.1 200 /);
    expect(record).toMatchObject({ verdict: 'allow', user, authFailure: null, authOffered: null, client });
    expect(record.authScheme).toBe(fields === '' ? null : 'Basic');
    expect(connections).toBe(1);
  });
});

describe('a client without credentials is challenged', () => {
  it.each([
    ['where they are required of it', required, ''],
    ['where only a user is missing', free, ' user ann'],
  ])('%s', async (_name, client, clauses) => {
    const { startLine, record, connections } = await connectFrom(client, 'User-Agent: x\r\n', clauses);
    expect(startLine).toBe(missing);
    expect(record).toMatchObject({ verdict: 'challenge', reason: 'credentials_missing', status: 407 });
    expect(record).toMatchObject({
      authFailure: 'missing',
      authScheme: null,
      authOffered: 'Basic',
      user: null,
      hint: null,
    });
    expect(connections).toBe(0);
  });
});

describe('a client is refused', () => {
  it.each([
    ['that signs in wrong where nobody has to', free, wrong, '', 407, 'credentials_rejected'],
    ['whose user the rule does not name', free, signedIn('bob'), ' user ann', 403, 'not_on_allowlist'],
    [
      'whose address the rule does not name, challenged or not',
      free,
      '',
      ' from 127.9.0.0/16 user ann',
      403,
      'not_on_allowlist',
    ],
  ])('%s', async (_name, client, fields, clauses, status, reason) => {
    const { record, connections } = await connectFrom(client, fields, clauses);
    expect(record).toMatchObject({ verdict: 'deny', status, reason });
    expect(connections).toBe(0);
  });
});

it('without users the field is dropped unread, whatever it holds', async () => {
  await using destination = await createDestination(echo);
  const rules = [`ip:127.0.0.1:${destination.port}`];
  await using proxy = await startProxy({ config: plainLoopback, rules });
  for (const fields of [wrong, 'Proxy-Authorization: %%%\r\n', signedIn('ann') + signedIn('bob')]) {
    await using wire = await connectRaw(proxy.port);
    await wire.write(`CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\n${fields}\r\n`);
    expect((await readAnswer(wire)).status).toBe(200);
  }
  expect(await proxy.record(2)).toMatchObject({ verdict: 'allow', user: null, authScheme: null });
});

it('credentials end here: no destination sees them', async () => {
  await using destination = await createDestination(answerWith('HTTP/1.1 204 No Content\r\n\r\n'));
  const rules = [`ip:127.0.0.1:${destination.port} user bob`];
  await using proxy = await startProxy({ config: admitLoopback + auth, rules, users });
  await using wire = await connectRaw(proxy.port);
  const url = `http://127.0.0.1:${destination.port}/`;
  await wire.write(`GET ${url} HTTP/1.1\r\nHost: x\r\n${signedIn('bob')}X-Kept: yes\r\nConnection: close\r\n\r\n`);
  expect(parseMessage((await wire.all()).toString()).status).toBe(204);
  const sent = destination.received.toString();
  expect(sent).toContain('X-Kept: yes');
  expect(sent.toLowerCase()).not.toContain('proxy-authorization');
  expect(sent).not.toContain(basic('bob', passwords.bob).slice(6));
  expect(await proxy.record()).toMatchObject({ user: 'bob', verdict: 'allow', status: 204 });
});

it('every request of a kept connection says for itself who sent it', async () => {
  await using destination = await createDestination(async (wire) => {
    for (let count = 1; ; count++) {
      await wire.until(new RegExp(`(?:[^]*?\r\n\r\n){${count}}`));
      await wire.write('HTTP/1.1 204 No Content\r\n\r\n');
    }
  });
  const rules = [`ip:127.0.0.1:${destination.port} user ann`];
  await using proxy = await startProxy({ config: admitLoopback + auth, rules, users });
  await using wire = await connectRaw(proxy.port);
  const get = (fields: string) =>
    wire.write(`GET http://127.0.0.1:${destination.port}/ HTTP/1.1\r\nHost: x\r\n${fields}\r\n`);
  await get(signedIn('ann'));
  await wire.until('204 No Content\r\n');
  await get('');
  await wire.until(missing);
  expect(await proxy.record(0)).toMatchObject({ user: 'ann', status: 204 });
  expect(await proxy.record(1)).toMatchObject({ user: null, status: 407 });
});

describe('credentials are judged behind the syntax and before the target', () => {
  it.each([
    ['a target that is malformed', 'CONNECT http://h.test/ HTTP/1.1', wrong, 400],
    ['a target that no rule allows', 'CONNECT h.test:443 HTTP/1.1', wrong, 407],
    ['a target that is always forbidden', 'CONNECT 169.254.169.254:443 HTTP/1.1', wrong, 407],
    ['the same, signed in', 'CONNECT 169.254.169.254:443 HTTP/1.1', signedIn('ann'), 403],
    ['a method that is not passed on', 'TRACE http://h.test/ HTTP/1.1\r\nHost: h.test', wrong, 405],
  ])('%s', async (_name, line, fields, status) => {
    await using proxy = await startProxy({ config: auth, rules: ['other.test'], users });
    await using wire = await connectRaw(proxy.port);
    await wire.write(`${line}\r\n${fields}\r\n`);
    expect((await readAnswer(wire)).status).toBe(status);
  });
});

describe('a client that can never answer a challenge', () => {
  const agent = 'this client cannot authenticate (WALinuxAgent never does)';
  it.each([
    [required, '', `${agent}; exempt its subnet: auth: { requiredFrom: ["127.0.3.0/24"] }`],
    [free, ' user ann', `${agent}; only a rule with \`user\` allows the target: add one with \`from ${free}\` instead`],
  ])('from %s with the rule clauses %j: the log says how to let it off', async (localAddress, clauses, hint) => {
    await using proxy = await startProxy({ config: auth, rules: [`h.test${clauses}`], users });
    await using wire = await connectRaw(proxy.port, { localAddress });
    await wire.write('CONNECT h.test:443 HTTP/1.0\r\n\r\n');
    expect((await readAnswer(wire)).status).toBe(407);
    expect((await proxy.record()).hint).toBe(hint);
  });
});

it('.NET’s order: a bare CONNECT is challenged, and the answer to the challenge opens the tunnel', async () => {
  await using destination = await createDestination(echo);
  const rules = [`ip:127.0.0.1:${destination.port} user ann`];
  await using proxy = await startProxy({ config: plainLoopback + auth, rules, users });
  const head = `CONNECT 127.0.0.1:${destination.port} HTTP/1.1\r\nHost: 127.0.0.1:${destination.port}\r\n`;
  await using first = await connectRaw(proxy.port);
  await first.write(`${head}\r\n`);
  const challenge = parseMessage((await first.all()).toString());
  expect(challenge.startLine).toBe(missing);
  expect(challenge.fields.get('proxy-authenticate')).toBe('Basic realm="lockdown-proxy", charset="UTF-8"');
  await using second = await connectRaw(proxy.port);
  await second.write(`${head}${signedIn('ann')}\r\n`);
  expect((await readAnswer(second)).status).toBe(200);
  second.end();
  await second.all();
  expect(await proxy.record(0)).toMatchObject({ verdict: 'challenge', authFailure: 'missing' });
  expect(await proxy.record(1)).toMatchObject({ verdict: 'allow', user: 'ann', authFailure: null });
  expect(proxy.said).toEqual([]);
});

it('a name whose addresses only a user may reach is challenged once they are known, and passes for the user', async () => {
  await using dns = await createDnsServer();
  await using destination = await createDestination(echo);
  const name = 'account.blob.core.windows.net';
  dns.set(name, 'A', ['127.0.0.1']);
  dns.set(name, 'AAAA', []);
  await using proxy = await startProxy({
    config: `${plainLoopback}auth: {usersFile: ./users}\n`,
    rules: [`ip:127.9.0.0/16:${destination.port}`, `https://${name}:${destination.port} user ann`],
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
    users,
  });
  const request = (fields: string) => `CONNECT ${name}:${destination.port} HTTP/1.1\r\n${fields}\r\n`;
  await using stranger = await connectRaw(proxy.port);
  await stranger.write(request(''));
  expect((await readAnswer(stranger)).startLine).toBe(missing);
  expect(await proxy.record()).toMatchObject({ verdict: 'challenge', reason: 'credentials_missing', address: null });
  expect(destination.connections).toEqual([]);
  await using ann = await connectRaw(proxy.port);
  await ann.write(request(signedIn('ann')));
  expect((await readAnswer(ann)).status).toBe(200);
});
