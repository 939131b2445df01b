/** `client-config pac` as a browser reads it: the printed file is evaluated, and asked for one host after another. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createTempFolder } from '../../support/temp-folder.ts';

const program = join(import.meta.dirname, '../../../src/lockdown-proxy.js');
const rules =
  '*.backup.windowsazure.com\n.contoso.example\nmd-*.blob.storage.azure.net\nwww.example.com\ndeny bad.example\n';

function print(...options: readonly string[]) {
  using folder = createTempFolder();
  folder.write('allowed.txt', rules);
  const config = folder.write('config.yaml', 'allowlist: [./allowed.txt]\n');
  const argv = [program, '--config', config, 'client-config', 'pac', ...options];
  return spawnSync(process.execPath, argv, { encoding: 'utf8' });
}

/** The two functions of a PAC engine that the file calls. */
const engine = {
  isPlainHostName: (host: string): boolean => !host.includes('.'),
  shExpMatch: (text: string, shape: string): boolean =>
    new RegExp(`^${shape.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')}$`).test(text),
};

test('the printed PAC file sends allowed hosts to the proxy, and the platform and local names direct', () => {
  const { stdout, status } = print('--proxy', '10.0.0.5:3128', '--no-proxy', '.inside.contoso.example,10.0.0.9');
  expect(status).toBe(0);
  const ask = (host: string): unknown =>
    runInNewContext(`${stdout}\nFindProxyForURL(${JSON.stringify(`https://${host}/`)}, ${JSON.stringify(host)})`, {
      ...engine,
    });
  const through = [
    'pod01-rec2.wcus.backup.windowsazure.com',
    'WWW.example.com.',
    'contoso.example',
    'a.contoso.example',
    'md-x.z27.blob.storage.azure.net',
  ];
  const direct = (
    '168.63.129.16 169.254.169.254 localhost fileserver printer.local 10.0.0.9 inside.contoso.example ' +
    'db.inside.contoso.example backup.windowsazure.com bad.example elsewhere.example notcontoso.example'
  ).split(' ');
  expect(through.map((host) => [host, ask(host)])).toEqual(through.map((host) => [host, 'PROXY 10.0.0.5:3128']));
  expect(direct.map((host) => [host, ask(host)])).toEqual(direct.map((host) => [host, 'DIRECT']));
});

test('a proxy URL with its scheme is read as it was meant', () => {
  expect(print('--proxy', 'http://egress.contoso.example:3128/').stdout).toContain(
    '"PROXY egress.contoso.example:3128"',
  );
});

test.each([
  [[], /^--proxy: write HOST:PORT, such as 10\.0\.0\.5:3128; got nothing\n$/],
  [['--proxy', '10.0.0.5'], /^--proxy: write HOST:PORT/],
  [['--proxy', 'http://u:p@10.0.0.5:3128'], /got credentials, which neither the agents nor a PAC file can carry\n$/],
  [['--proxy', '10.0.0.5:3128', '--no-proxy', 'a b'], /^--no-proxy: "a b" is no name/],
])('%j is wrong usage, and prints no file', (options, message) => {
  const { stdout, stderr, status } = print(...options);
  expect(stderr).toMatch(message);
  expect([stdout, status]).toEqual(['', 2]);
});
