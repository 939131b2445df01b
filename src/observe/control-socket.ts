/**
 * The control socket: a unix socket that only its owner may open, over which the command line asks a running proxy. One
 * line of JSON in, one line of JSON out, then it closes.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { askProxy } from './control-ask.ts';

/** Answers one command; what it throws is told to who asked, and nobody else. */
export type ControlHandler = (args: readonly string[]) => unknown;

export interface ControlSocket {
  close(): Promise<void>;
}

/** A request is a few words; whoever sends more is no command line of ours. */
const maxRequestBytes = 16 * 1024;
const requestMs = 5000;

/** Where the socket stands: `$LOCKDOWN_PROXY_CONTROL`, else in the folder that systemd or the system has for it. */
export function controlPath(env: NodeJS.ProcessEnv): string {
  const given = env['LOCKDOWN_PROXY_CONTROL'];
  if (given) return given;
  const [folder] = (env['RUNTIME_DIRECTORY'] ?? '').split(':');
  return join(folder || '/run/lockdown-proxy', 'control.sock');
}

/**
 * Listens at the path, mode 0600; a socket that a dead process left behind is replaced.
 * @throws Error when another proxy answers there, or what the system says where there can be no socket
 */
export async function openControlSocket(
  path: string,
  handlers: Readonly<Record<string, ControlHandler>>,
): Promise<ControlSocket> {
  const isTaken = await askProxy(path, 'ping').then(
    () => true,
    () => false,
  );
  if (isTaken) throw new Error(`another proxy answers at ${path}; give each its own $LOCKDOWN_PROXY_CONTROL`);
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  rmSync(path, { force: true });
  const server = createServer((socket) => void serve(socket, { ping: () => 'pong', ...handlers }));
  await bind(server, path);
  chmodSync(path, 0o600);
  server.unref();
  return {
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** The socket appears with the mode that it keeps: between a bind and a chmod anybody could connect. */
function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const umask = process.umask(0o177);
    try {
      server.listen(path, resolve);
    } finally {
      process.umask(umask);
    }
  });
}

async function serve(socket: Socket, handlers: Readonly<Record<string, ControlHandler>>): Promise<void> {
  socket.on('error', () => {});
  socket.setTimeout(requestMs, () => socket.destroy());
  let answer: object;
  try {
    const { command, args } = parseRequest(await readLine(socket));
    socket.setTimeout(0);
    const handler = Object.hasOwn(handlers, command) ? handlers[command] : undefined;
    if (!handler) throw new Error(`this proxy knows no command \`${command}\`; it may be of another version`);
    answer = { ok: true, result: (await handler(args)) ?? null };
  } catch (error) {
    answer = { ok: false, message: error instanceof Error ? error.message : 'unknown error' };
  }
  if (!socket.destroyed) socket.end(`${JSON.stringify(answer)}\n`);
}

function readLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.includes('\n')) resolve(text);
      else if (text.length > maxRequestBytes) reject(new Error('the request is too long'));
    });
    socket.once('close', () => reject(new Error('closed before the end of a line')));
  });
}

function parseRequest(line: string): { command: string; args: readonly string[] } {
  const value: unknown = JSON.parse(line);
  const { command, args } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof command !== 'string' || !Array.isArray(args)) throw new Error('not a request');
  return { command, args: args.map(String) };
}
