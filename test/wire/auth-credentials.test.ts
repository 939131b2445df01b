/** Credentials as bytes: what each kind of Proxy-Authorization is answered, and that nothing of it goes further. */
import { describe, expect, it } from 'vitest';
import { createDestination, silent } from '../support/destination.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw, parseMessage } from '../support/raw-client.ts';
import { plainLoopback } from '../support/tunnel.ts';
import { basic, guess, passwords, signedIn, userLines } from '../support/users.ts';

const config = `${plainLoopback}auth: {usersFile: ./users, realm: 'say "who"'}\n`;
const base64 = (text: string | Uint8Array): string => Buffer.from(text as string).toString('base64');

/** Both kinds of request to the same destination, with these fields. */
const kinds = [
  { kind: 'CONNECT', head: (port: number, fields: string) => `CONNECT 127.0.0.1:${port} HTTP/1.1\r\n${fields}\r\n` },
  {
    kind: 'GET',
    head: (port: number, fields: string) =>
      `GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${fields}\r\n`,
  },
] as const;

describe.each(kinds)('$kind', ({ head }) => {
  /** Sends one request to a proxy with users and a rule for everybody; gives the answer, the line and the destination. */
  async function ask(fields: string, extra = '') {
    await using destination = await createDestination(silent);
    const rules = [`ip:127.0.0.1:${destination.port}`];
    await using proxy = await startProxy({ config: config + extra, rules, users: userLines });
    await using wire = await connectRaw(proxy.port);
    await wire.write(head(destination.port, fields));
    const answer = parseMessage((await wire.all()).toString('latin1'));
    const record = await proxy.record();
    return { answer, record, connections: destination.connections.length, said: proxy.said };
  }

  it.each([
    ['broken base64', 'Basic YW5u!', 'Credentials not base64'],
    ['no padding', 'Basic YW5uOnNlY3JldA', 'Credentials not base64'],
    ['nothing behind the scheme', 'Basic', 'Credentials not base64'],
    ['no scheme', '', 'Proxy-Authorization without a scheme'],
    ['no colon', `Basic ${base64('annie')}`, 'Credentials without colon'],
    ['a NUL', `Basic ${base64('ann:annie\0-pass')}`, 'Control character in credentials'],
    ['a line feed', `Basic ${base64('ann\n:annie-pass')}`, 'Control character in credentials'],
    ['bytes that are not UTF-8', `Basic ${base64(Buffer.from('zo\xe9:x', 'latin1'))}`, 'Credentials not UTF-8'],
  ])('malformed credentials with %s are answered with 400', async (_name, value, phrase) => {
    const { answer, record, connections } = await ask(`Proxy-Authorization: ${value}\r\n`);
    expect(answer.startLine).toBe(`HTTP/1.1 400 ${phrase}`);
    expect(answer.fields.has('proxy-authenticate')).toBe(false);
    expect(record).toMatchObject({ verdict: 'deny', reason: 'malformed_request', status: 400, user: null });
    expect(record.authFailure).toBeNull();
    expect(connections).toBe(0);
  });

  it('two fields are answered with 400, even where both are right', async () => {
    const { answer, record, connections } = await ask(signedIn('ann') + signedIn('ann'));
    expect(answer.startLine).toBe('HTTP/1.1 400 Several Proxy-Authorization fields');
    expect(record).toMatchObject({ reason: 'malformed_request', user: null });
    expect(connections).toBe(0);
  });

  it('64 KB of credentials are answered with 431, with the standard head and with a large one', async () => {
    const fields = `Proxy-Authorization: Basic ${base64('ann:'.padEnd(48_000, 'x'))}\r\n`;
    const standard = await ask(fields);
    expect(standard.answer.startLine).toBe('HTTP/1.1 431 Request head too large');
    const large = await ask(fields, 'limits: {headerBytes: 200000}\n');
    expect(large.answer.startLine).toBe('HTTP/1.1 431 Credentials too long');
    for (const { record, connections } of [standard, large]) {
      expect(record).toMatchObject({ verdict: 'deny', reason: 'malformed_request', status: 431 });
      expect(connections).toBe(0);
    }
  });

  it.each(['NTLM TlRMTVNTUAABAAAA', 'Negotiate YIIBhg==', 'Digest username="ann"', 'Bearer abc', 'x'])(
    'another scheme (%s) is answered with 407 and the one that is offered',
    async (value) => {
      const scheme = value.split(' ')[0]!;
      const { answer, record, connections } = await ask(`Proxy-Authorization: ${value}\r\n`);
      const phrase = `Proxy Authentication Required: scheme ${scheme} not offered, use Basic`;
      expect(answer.startLine).toBe(`HTTP/1.1 407 ${phrase}`);
      expect(answer.fields.get('proxy-authenticate')).toBe('Basic realm="say \\"who\\"", charset="UTF-8"');
      expect(record).toMatchObject({ verdict: 'deny', reason: 'credentials_rejected', authFailure: 'rejected' });
      expect(record).toMatchObject({ authScheme: scheme, authOffered: 'Basic', user: null });
      expect(connections).toBe(0);
    },
  );

  it.each([
    ['a wrong password', basic('ann', guess), 'ann', 'wrong password'],
    ['an unknown user', basic('eve', guess), 'eve', 'no such user in /test/users'],
    ['a name in another case', basic('Ann', passwords.ann), 'Ann', 'no such user in /test/users'],
    ['no name', basic('', guess), null, 'no such user in /test/users'],
    ['a password cut at its colon', basic('bob', 'b'), 'bob', 'wrong password'],
  ])('%s is answered with 407, and the log alone knows which it was', async (_name, value, user, hint) => {
    const { answer, record, connections } = await ask(`Proxy-Authorization: ${value}\r\n`);
    expect(answer.startLine).toBe('HTTP/1.1 407 Proxy Authentication Required: wrong user or password');
    expect(answer.fields.get('proxy-authenticate')).toBe('Basic realm="say \\"who\\"", charset="UTF-8"');
    expect(answer.fields.get('connection')).toBe('close');
    expect(answer.fields.get('proxy-status')).toContain('details="credentials_rejected"');
    expect(record).toMatchObject({ verdict: 'deny', reason: 'credentials_rejected', status: 407 });
    expect(record).toMatchObject({ authFailure: 'rejected', authScheme: 'Basic', authOffered: 'Basic', user, hint });
    expect(connections).toBe(0);
  });
});
