/** Whatever a client sends as credentials, and wherever it puts them: no output of the program has them. */
import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { connectRaw } from '../support/raw-client.ts';
import { runProxy } from '../support/running-proxy.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { basic, guess as guessed, passwords, userLines } from '../support/users.ts';

const main = join(resolve(import.meta.dirname, '../..'), 'src/main.ts');
const token = (text: string): string => Buffer.from(text).toString('base64');

/** Requests that carry a secret, as they come and as they should not. */
const requests: readonly string[] = [
  ...[basic('ann', passwords.ann), basic('ann', guessed), basic('eve', guessed)].flatMap((value) => [
    `CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: ${value}\r\n\r\n`,
    `GET http://h.test/a?sig=${guessed} HTTP/1.1\r\nHost: h.test\r\nProxy-Authorization: ${value}\r\n\r\n`,
    `CONNECT 127.0.0.1:9 HTTP/1.1\r\nProxy-Authorization: ${value}\r\n\r\n`,
    `CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: ${value}\r\nProxy-Authorization: ${value}\r\n\r\n`,
    `TRACE http://h.test/ HTTP/1.1\r\nHost: h.test\r\nProxy-Authorization: ${value}\r\n\r\n`,
    `CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization : ${value}\r\n\r\n`,
    `CONNECT h.test:443 HTTP/1.1\r\n Proxy-Authorization: ${value}\r\n\r\n`,
    `CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: ${value}\0\r\n\r\n`,
  ]),
  `CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: Bearer ${guessed}\r\n\r\n`,
  `CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: Basic ann:${guessed}\r\n\r\n`,
  `CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: ${token(`ann:${guessed}`)}=\r\n\r\n`,
  `CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: Basic ${token(guessed)}\r\n\r\n`,
  `CONNECT h.test:443 HTTP/1.1\r\nProxy-Authorization: Basic ${token(`ann:${guessed}\n`)}\r\n\r\n`,
  `CONNECT ann:${guessed}@h.test:443 HTTP/1.1\r\n\r\n`,
  `GET http://ann:${guessed}@h.test/ HTTP/1.1\r\nHost: h.test\r\n\r\n`,
  `GET http://h.test/ HTTP/1.1\r\nHost: ann:${guessed}@h.test\r\n\r\n`,
];

it('credentials are in no log line, no answer and no report', async () => {
  using folder = createTempFolder();
  const usersFile = folder.write('users', `${userLines.join('\n')}\n`);
  const config =
    `auth: {usersFile: ${JSON.stringify(usersFile)}, requiredFrom: ["127.0.0.0/8"]}\n` +
    'limits: {dnsMs: 200}\nlog: {level: debug}\n';
  const rules = ['h.test user ann', 'http://h.test user ann', 'ip:127.0.0.1:9'];
  await using proxy = await runProxy(config, rules);
  const answers = await Promise.all(
    requests.map(async (request, at) => {
      // Each from an address of its own, so that none is answered unread because of the others.
      await using wire = await connectRaw(proxy.port, { localAddress: `127.0.7.${at + 1}` });
      await wire.write(request);
      return (await wire.all()).toString('latin1');
    }),
  );
  expect(await proxy.stop()).toBe(0);

  const file = folder.write('config.yaml', `allowlist: ["./rules.txt"]\n${config}`);
  folder.write('rules.txt', `${rules.join('\n')}\n`);
  const reports = await Promise.all(
    [['check'], ['users', 'list'], ['explain', 'h.test:443', '--user', 'ann', '--resolve', '20.0.0.1']].map(
      async (argv) => {
        const done = promisify(execFile)(process.execPath, [main, '--config', file, '--json', ...argv]);
        const { stdout, stderr } = await done.catch((error: { stdout: string; stderr: string }) => error);
        return stdout + stderr;
      },
    ),
  );

  const lines = proxy.output.trimEnd().split('\n');
  expect(lines).toHaveLength(requests.length);
  for (const report of reports) expect(report).toContain('ann');
  const everything = [proxy.output, proxy.errors, ...answers, ...reports].join('\n');
  const secrets = [passwords.ann, guessed, ...userLines.map((line) => line.slice(line.indexOf(':') + 1))];
  const spellings = secrets.flatMap((secret) => [
    secret,
    token(`ann:${secret}`),
    token(`eve:${secret}`),
    token(secret),
  ]);
  expect(spellings.filter((spelling) => everything.includes(spelling.replace(/=+$/, '')))).toEqual([]);
});
