/** What systemd is told, over a socket of our own that takes datagrams. */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { operateProxy } from '../support/operated-proxy.ts';
import { createTempFolder } from '../support/temp-folder.ts';

/** Node has no datagram sockets of this family: python receives, and prints each message on a line. */
const receiver = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    data, fds, flags, address = socket.recv_fds(s, 4096, 4)
    # systemd-notify waits until the descriptor it sends along is closed.
    for fd in fds:
        os.close(fd)
    print(data.decode().replace("\\n", " "), flush=True)
`;
const hasTools = [
  ['python3', '--version'],
  ['systemd-notify', '--version'],
].every(([command = '', flag = '']) => spawnSync(command, [flag]).status === 0);

test.runIf(hasTools)('ready, the beat of the watchdog, reloading and stopping are told in this order', async () => {
  using folder = createTempFolder();
  const path = join(folder.path, 'notify.sock');
  const python = spawn('python3', ['-c', receiver, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  /** Reads on to the message that has this. */
  const until = async (word: string): Promise<string> => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`ended before ${word}`);
      if (value.includes(word)) return value;
    }
  };
  try {
    await until('bound');
    await using proxy = await operateProxy({ env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '400000' } });
    expect(await until('READY=1')).toMatch(/STATUS=serving by configuration [0-9a-f]{12}, generation 1/);
    await until('WATCHDOG=1');
    proxy.writeRules('www.example.com');
    proxy.signal('SIGHUP');
    expect(await until('RELOADING=1')).toMatch(/MONOTONIC_USEC=\d+/);
    expect(await until('READY=1')).toContain('generation 2');
    proxy.signal('SIGTERM');
    await until('STOPPING=1');
    expect(await proxy.exited).toBe(0);
  } finally {
    python.kill('SIGKILL');
  }
});
