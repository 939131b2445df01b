/** `client-config`: what application VMs need to send their requests through this proxy. */
import process from 'node:process';
import type { Result } from '../errors.ts';
import { ConfigError } from '../errors.ts';
import { parseAuthorityForm, parseHost } from '../message/request-target.ts';
import { writePac } from '../observe/pac.ts';
import { loadFromDisk } from './load-config.ts';
import type { CommandDescription } from './logs-commands.ts';

export const clientConfigCommands: readonly CommandDescription[] = [
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
  const got = text === '' ? 'nothing' : text.includes('@') ? 'credentials, which a PAC file cannot carry' : `"${text}"`;
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
