/** Guessing over real sockets: who is refused unhashed, for how long, and whom it never touches. */
import { expect, it } from 'vitest';
import { startProxy } from '../support/proxy.ts';
import { connectRaw, parseMessage } from '../support/raw-client.ts';
import { basic, passwords, userLines } from '../support/users.ts';

const config = 'auth: {usersFile: ./users}\n';

/** Asks for a target that no rule allows: 403 is the answer to whoever signed in. */
async function signIn(port: number, localAddress: string, user: string, password: string) {
  await using wire = await connectRaw(port, { localAddress });
  await wire.write(`CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: ${basic(user, password)}\r\n\r\n`);
  return parseMessage((await wire.all()).toString());
}

/** Guesses one after the other; gives the statuses. */
async function guess(port: number, localAddress: string, count: number, userOf: (at: number) => string) {
  const statuses: number[] = [];
  for (let at = 0; at < count; at++) {
    statuses.push((await signIn(port, localAddress, userOf(at), `guess ${at}`)).status);
  }
  return statuses;
}

it('the sixth guess at a user from an address is answered with 429 and the second to wait for', async () => {
  await using proxy = await startProxy({ config, users: userLines });
  expect(await guess(proxy.port, '127.0.1.1', 5, () => 'ann')).toEqual([407, 407, 407, 407, 407]);
  const refused = await signIn(proxy.port, '127.0.1.1', 'ann', passwords.ann);
  expect(refused.startLine).toBe('HTTP/1.1 429 Too Many Requests: sign-in blocked for 1 s');
  expect(refused.fields.get('retry-after')).toBe('1');
  expect(refused.fields.has('proxy-authenticate')).toBe(false);
  expect(await proxy.record(5)).toMatchObject({ verdict: 'deny', reason: 'credentials_throttled', status: 429 });
  expect(await proxy.record(5)).toMatchObject({ authFailure: 'throttled', authScheme: 'Basic', user: 'ann' });
});

it('guesses at many users from one address block the address, and no other', async () => {
  await using proxy = await startProxy({ config, users: userLines });
  expect(await guess(proxy.port, '127.0.1.1', 5, (at) => `user${at}`)).toEqual([407, 407, 407, 407, 407]);
  expect((await signIn(proxy.port, '127.0.1.1', 'bob', passwords.bob)).status).toBe(429);
  expect((await signIn(proxy.port, '127.0.1.2', 'bob', passwords.bob)).status).toBe(403);
});

it('a user who signed in at an address goes on there whatever others guess from it', async () => {
  await using proxy = await startProxy({ config, users: userLines });
  expect((await signIn(proxy.port, '127.0.1.1', 'ann', passwords.ann)).status).toBe(403);
  await guess(proxy.port, '127.0.1.1', 6, (at) => `user${at}`);
  expect((await signIn(proxy.port, '127.0.1.1', 'bob', passwords.bob)).status).toBe(429);
  expect((await signIn(proxy.port, '127.0.1.1', 'ann', passwords.ann)).status).toBe(403);
});

it('while two hundred addresses guess at a user, one that is new signs in within ten seconds', async () => {
  await using proxy = await startProxy({ config, users: userLines });
  const attack = new AbortController();
  let guesses = 0;
  const attackers = Array.from({ length: 200 }, async (_, at) => {
    while (!attack.signal.aborted) {
      await using wire = await connectRaw(proxy.port, { localAddress: `127.0.2.${at + 1}` });
      attack.signal.addEventListener('abort', () => wire.reset());
      const field = `Proxy-Authorization: ${basic('ann', `guess ${guesses++}`)}`;
      await wire.write(`CONNECT h.test:443 HTTP/1.1\r\n${field}\r\n\r\n`);
      await wire.closed;
    }
  });
  // The twenty-first line: what strangers may get wrong at once is used up.
  await proxy.record(21);
  const started = performance.now();
  expect((await signIn(proxy.port, '127.0.4.1', 'ann', passwords.ann)).status).toBe(403);
  expect(performance.now() - started).toBeLessThan(10_000);
  attack.abort();
  await Promise.all(attackers);
  // Behind it the others were still waiting for their turn.
  expect(proxy.records.filter(({ reason }) => reason === 'credentials_rejected').length).toBeLessThan(100);
});

it('clients that give up while they wait are let go, and others go on', async () => {
  await using proxy = await startProxy({ config, users: userLines });
  const waiting = await Promise.all(
    Array.from({ length: 50 }, (_, at) => connectRaw(proxy.port, { localAddress: `127.0.5.${at + 1}` })),
  );
  for (const [at, wire] of waiting.entries()) {
    await wire.write(`CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: ${basic('ann', `guess ${at}`)}\r\n\r\n`);
  }
  await proxy.record(5);
  for (const wire of waiting) wire.reset();
  await proxy.record(49);
  expect((await signIn(proxy.port, '127.0.6.1', 'ann', passwords.ann)).status).toBe(403);
  const gone = proxy.records.filter(({ endedBy, status }) => endedBy === 'client' && status === null);
  expect(gone.length).toBeGreaterThan(0);
  expect(proxy.said.filter(({ level }) => level === 'error')).toEqual([]);
});
