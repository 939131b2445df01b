/**
 * An application VM for `deploy/clients/check.sh`: a namespace with stand-ins for instance metadata and the wire server,
 * the real proxy, and a storage endpoint in another namespace.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { createTempFolder } from '../support/temp-folder.ts';
import { connectNamespaces, makeNamespace, untilSaid } from './namespace.ts';
import type { Namespace, Ran } from './namespace.ts';

const project = resolve(import.meta.dirname, '../..');
export const script = join(project, 'deploy/clients/check.sh');
export const storage = 'account.blob.core.windows.net';
export const proxy = '10.77.0.4:3128';

export interface Row {
  readonly check: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly fix: string | null;
}
export interface Report {
  readonly ok: boolean;
  readonly proxy: string | null;
  readonly checks: readonly Row[];
}

/** Answers every connection on these places: with what a file holds, or by staying open. */
const answering = `
  const { createServer } = require('node:net');
  const { readFileSync } = require('node:fs');
  const places = process.argv.slice(1).map((text) => text.split(' '));
  let left = places.length;
  for (const [host, port, file] of places) {
    createServer((socket) => {
      socket.on('error', () => {});
      if (file) socket.once('data', () => { const body = readFileSync(file, 'utf8'); socket.end('HTTP/1.1 200 OK\\r\\nContent-Length: ' + body.length + '\\r\\n\\r\\n' + body); });
    }).listen(Number(port), host, () => { if (--left === 0) console.log('listening'); });
  }`;

export const metadata = (
  disks: number,
  location = 'westeurope',
  azEnvironment = 'AzurePublicCloud',
  uri = '',
): string =>
  JSON.stringify({
    compute: {
      azEnvironment,
      location,
      storageProfile: {
        dataDisks: Array.from({ length: disks }, (_, lun) => ({
          lun: String(lun),
          name: `data-${lun}`,
          vhd: { uri },
        })),
        imageReference: { offer: 'debian' },
        osDisk: { name: 'os' },
      },
    },
    network: {},
  });

const good = {
  'etc/waagent.conf': 'Extensions.Enabled=y\r\nHttpProxy.Host=10.77.0.4\r\nHttpProxy.Port=3128\r\n',
  'etc/os-release': 'ID=ubuntu\nVERSION_ID="24.04"\n',
  'lib/systemd/system/walinuxagent.service': '[Service]\n',
  environment: 'http_proxy=http://10.77.0.4:3128 https_proxy=http://10.77.0.4:3128 no_proxy=localhost',
  active: '0',
  version: 'WALinuxAgent-2.7.3.0 running on ubuntu 24.04',
  python: '3 11',
  metadata: metadata(4),
};

/** What is different on the machine; null is what is not there. */
export type Changes = Partial<Record<keyof typeof good, string | null>>;

export interface CheckMachine {
  readonly vm: Namespace;
  /** The machine's end of the cable. */
  readonly cable: string;
  /** Plants a machine that is ready but for `changes`, and checks it. */
  check(changes: Changes, ...argv: readonly string[]): Ran;
  /** The same with `--json`. @throws Error where the exit code says something else */
  report(changes: Changes, ...argv: readonly string[]): Report;
  remove(): Promise<void>;
}

export async function makeCheckMachine(): Promise<CheckMachine> {
  const folder = createTempFolder();
  // Python and the agent of the machine that runs the test are not to be found by chance.
  mkdirSync(join(folder.path, 'tools'), { recursive: true });
  const vm = makeNamespace({
    hosts: `127.0.0.1 localhost\n20.60.1.2 ${storage}\n`,
    'resolv.conf': 'nameserver 127.0.0.1\n',
  });
  const internet = makeNamespace();
  const tools = 'bash cat cut grep head ip printf sed tail timeout tr uname wc';
  vm.run(['sh', '-c', `for t in ${tools}; do ln -s "$(command -v $t)" '${folder.path}/tools/'; done`]);
  const [cable] = connectNamespaces(vm, '10.77.0.5/24', internet, '10.77.0.1/24');
  vm.ip('address', 'add', '10.77.0.4/24', 'dev', cable, 'valid_lft', '3600', 'preferred_lft', '3600');
  vm.ip('route', 'add', 'default', 'via', '10.77.0.1', 'dev', cable);
  for (const address of ['169.254.169.254/32', '168.63.129.16/32']) vm.ip('address', 'add', address, 'dev', 'lo');
  internet.ip('address', 'add', '20.60.1.2/32', 'dev', 'lo');
  const node = process.execPath;
  const imds = `169.254.169.254 80 ${folder.write('metadata', metadata(0))}`;
  const platform = vm.start([node, '-e', answering, imds, '168.63.129.16 80', '168.63.129.16 32526']);
  const account = internet.start([node, '-e', answering, '20.60.1.2 443']);
  await Promise.all([untilSaid(platform, 'listening'), untilSaid(account, 'listening')]);
  folder.write('rules.txt', `${storage}\n`);
  const config = folder.write(
    'config.yaml',
    'listen: ["10.77.0.4:3128"]\nnetworks: ["10.77.0.0/24"]\ncloud: public\nallowlist: ["./rules.txt"]\nranges: { cacheDir: ./cache }\n',
  );
  const program = [node, '--disable-warning=DEP0060', join(project, 'src/main.ts'), 'serve', '--config', config];
  await untilSaid(vm.start(program), '"started"');

  function check(changes: Changes, ...argv: readonly string[]): Ran {
    using root = createTempFolder();
    for (const [name, text] of Object.entries({ ...good, ...changes })) {
      if (text !== null) (name === 'metadata' ? folder : root).write(name, text);
    }
    const tool = (name: string, body: string): void => {
      chmodSync(root.write(`bin/${name}`, `#!/bin/sh\n${body}\n`), 0o755);
    };
    const at = root.path;
    if (changes.version !== null) tool('waagent', `cat '${at}/version'`);
    tool('systemctl', `case "$*" in show*) cat '${at}/environment' ;; *) exit "$(cat '${at}/active')" ;; esac`);
    if (changes.python !== null) tool('python3', `read -r a b <'${at}/python'; echo "$a.$b"`);
    const env = { PATH: `${at}/bin:${folder.path}/tools`, CHECK_WAIT_S: '3' };
    const all = ['--root', at, '--storage', storage, '--vault', 'vault-1', '--vault-region', 'WestEurope', ...argv];
    return vm.run(['bash', script, ...all], { env });
  }

  const report = (changes: Changes, ...argv: readonly string[]): Report => {
    const { out, status } = check(changes, '--json', ...argv);
    const told = JSON.parse(out) as Report;
    if (status !== (told.ok ? 0 : 1)) throw new Error(`exit code ${status}, and ok is ${told.ok}`);
    return told;
  };

  return {
    vm,
    cable,
    check,
    report,
    async remove() {
      for (const machine of [vm, internet]) await machine.remove();
      folder.remove();
    },
  };
}
