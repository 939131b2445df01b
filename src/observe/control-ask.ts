/** Asks a running proxy over its control socket. */
import { connect } from 'node:net';

/** Nobody listens there, or this user may not ask. */
export class NoProxyError extends Error {
  override readonly name = 'NoProxyError';
  /** Whether somebody may be there, whom this user may not ask. */
  readonly isForbidden: boolean;

  constructor(message: string, isForbidden = false) {
    super(message);
    this.isForbidden = isForbidden;
  }
}

/** Gives the command's result. @throws NoProxyError where no proxy answers, Error with what the proxy says against it */
export function askProxy(path: string, command: string, args: readonly string[] = []): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(`${JSON.stringify({ command, args })}\n`));
    socket.on('data', (part: string) => (text += part));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      reject(new NoProxyError(describe(path, error), error.code === 'EACCES')),
    );
    socket.on('close', () => {
      if (!text.endsWith('\n')) return reject(new NoProxyError(`the proxy at ${path} went away`));
      const answer = JSON.parse(text) as { ok: true; result: unknown } | { ok: false; message: string };
      if (answer.ok) resolve(answer.result);
      else reject(new Error(answer.message));
    });
  });
}

function describe(path: string, { code, message }: NodeJS.ErrnoException): string {
  if (code === 'EACCES') return `this user may not ask the proxy at ${path}; run it as root`;
  const isAbsent = code === 'ENOENT' || code === 'ECONNREFUSED';
  return isAbsent ? `no running proxy at ${path}; $LOCKDOWN_PROXY_CONTROL names another socket` : message;
}
