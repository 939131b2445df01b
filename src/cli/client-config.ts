/** `client-config`: what application VMs need to send their requests through this proxy. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { Result } from '../errors.ts';
import { ConfigError } from '../errors.ts';
import { parseAuthorityForm, parseHost } from '../message/request-target.ts';
import { writePac } from '../observe/pac.ts';
import { loadFromDisk } from './load-config.ts';
import type { CommandDescription } from './logs-commands.ts';

/** Given to every script: a password is asked for by neither. */
const scriptOptions = [
  ['--proxy <host:port>', 'where clients reach the proxy'],
  ['--no-proxy <list>', 'names, .suffixes and addresses that go direct beside the platform’s own, with commas'],
  ['--for <list>', 'agent, updates, sql, mars or all, with commas (default: agent,updates)'],
  ['--dry-run', 'a script that says what it would change, and changes nothing'],
  ['--undo', 'a script that takes out what an earlier one put in'],
] as const;

export const clientConfigCommands: readonly CommandDescription[] = [
  {
    usage: 'linux',
    description: 'print a shell script that sets a Linux VM up, or back: for the Azure agent, logins and updates',
    options: scriptOptions,
    run: ({ out }, _args, options) => Promise.resolve(printScript('linux.sh', options, out)),
  },
  {
    usage: 'windows',
    description: 'print a PowerShell script that sets a Windows VM up, or back: SYSTEM, WinHTTP, SQL backup, MARS',
    options: scriptOptions,
    run: ({ out }, _args, options) => Promise.resolve(printScript('windows.ps1', options, out)),
  },
  {
    usage: 'pac',
    description: 'print a PAC file: the hosts of the allowlist through the proxy, all else direct',
    options: [
      ['--proxy <host:port>', 'where clients reach the proxy'],
      ['--no-proxy <list>', 'names, .suffixes and addresses that go direct whatever the allowlist says, with commas'],
    ],
    run: ({ config, out }, _args, { proxy, noProxy }) => printPac({ config, out, proxy, noProxy }),
  },
];

interface PacOptions {
  readonly config: string | null;
  readonly out: (text: string) => void;
  readonly proxy: unknown;
  readonly noProxy: unknown;
}

/** Prints the PAC file; 1 where the configuration has faults, 2 where an option is wrong, and then prints nothing. */
async function printPac({ config, out, proxy, noProxy }: PacOptions): Promise<number> {
  const target = readProxy(typeof proxy === 'string' ? proxy : '');
  if (!target.ok) return refuse(target.message, 2);
  const direct = readDirect(typeof noProxy === 'string' ? noProxy : '');
  if (!direct.ok) return refuse(direct.message, 2);
  try {
    out(writePac((await loadFromDisk(config)).rules, `PROXY ${target.value}`, direct.value));
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return refuse(error.message, 1);
  }
}

/** What no VM may send to a proxy: itself, the platform's wire server, and instance metadata. */
const platformDirect = ['localhost', '127.0.0.1', '::1', '168.63.129.16', '169.254.169.254'];
const purposes = ['agent', 'updates', 'sql', 'mars', 'all'];

/** Prints a script with its settings filled in; 2 where an option is wrong, and then prints nothing. */
function printScript(
  name: 'linux.sh' | 'windows.ps1',
  { proxy, noProxy, for: chosen = 'agent,updates', dryRun, undo }: Readonly<Record<string, unknown>>,
  out: (text: string) => void,
): number {
  const isUndo = undo === true;
  const target = isUndo && proxy === undefined ? null : readProxy(typeof proxy === 'string' ? proxy : '');
  if (target?.ok === false) return refuse(target.message, 2);
  const direct = readNoProxy(typeof noProxy === 'string' ? noProxy : '');
  if (!direct.ok) return refuse(direct.message, 2);
  const wanted = String(chosen)
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  const unknown = wanted.find((word) => !purposes.includes(word));
  if (unknown !== undefined) return refuse(`--for: ${JSON.stringify(unknown)} is none of ${purposes.join(', ')}`, 2);
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(target?.value ?? '') ?? [];
  const undoing = dryRun === true ? 'dry-undo' : 'undo';
  const settings: Readonly<Record<string, string>> = {
    PROXY_HOST: host,
    PROXY_PORT: port,
    NO_PROXY: [...platformDirect, ...direct.value].join(','),
    PURPOSES: wanted.join(','),
    MODE: isUndo ? undoing : dryRun === true ? 'dry-run' : 'apply',
  };
  // Every value was read as names, addresses or words: nothing in it can end a quoted text.
  const script = readFileSync(new URL(`client-config/${name}`, import.meta.url), 'utf8');
  const text = script.replace(/@([A-Z_]+)@/g, (placeholder, key: string) => settings[key] ?? placeholder);
  // Windows' own editors, and code signing, know CRLF alone.
  out(name === 'windows.ps1' ? text.replaceAll('\n', '\r\n') : text);
  return 0;
}

/** Names, .suffixes and addresses as `no_proxy` has them. */
function readNoProxy(text: string): Result<readonly string[]> {
  const entries = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const hosts = entries.map((entry) => {
    const parsed = parseHost(entry.replace(/^\*?\./, ''));
    if (!parsed.ok) return null;
    return /^\*?\./.test(entry) ? `.${parsed.value.host}` : parsed.value.host;
  });
  const wrong = hosts.indexOf(null);
  if (wrong < 0) return { ok: true, value: hosts.filter((host) => host !== null) };
  return { ok: false, message: `--no-proxy: ${JSON.stringify(entries[wrong])} is no name, .suffix or address` };
}

function refuse(message: string, code: number): number {
  process.stderr.write(`${message}\n`);
  return code;
}

/** `HOST:PORT`, with or without `http://` in front and a slash behind, as proxy URLs are often written. */
function readProxy(text: string): Result<string> {
  const bare = text.replace(/^http:\/\//i, '').replace(/\/$/, '');
  const parsed = parseAuthorityForm(bare);
  if (parsed.ok) return { ok: true, value: parsed.value.text };
  // What stands before an @ may be a password.
  const got =
    text === ''
      ? 'nothing'
      : text.includes('@')
        ? 'credentials, which neither the agents nor a PAC file can carry'
        : `"${text}"`;
  return { ok: false, message: `--proxy: write HOST:PORT, such as 10.0.0.5:3128; got ${got}` };
}

/** Shell patterns as PAC knows them; `.name` is that name and all under it, as in no_proxy. */
function readDirect(text: string): Result<readonly string[]> {
  const shapes: string[] = [];
  for (const entry of text.split(',').map((part) => part.trim())) {
    if (entry === '') continue;
    const name = entry.replace(/^\*?\./, '');
    const parsed = parseHost(name);
    if (!parsed.ok) {
      return { ok: false, message: `--no-proxy: ${JSON.stringify(entry)} is no name, .suffix or address` };
    }
    if (name === entry || entry.startsWith('.')) shapes.push(parsed.value.host);
    if (name !== entry) shapes.push(`*.${parsed.value.host}`);
  }
  return { ok: true, value: shapes };
}
