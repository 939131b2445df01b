#!/usr/bin/env node
/**
 * The command as npm installs it: finds the Node that the project pins and runs `main.ts` on it. Plain JavaScript
 * that runs from Node 20 on, so that `npm ci && npm start` works whatever Node a machine has.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { constants as system } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
/** The first release line whose type stripping runs `main.ts` as it is. */
const oldestMajor = 24;
/** What a shell gives back when a command is there but cannot be run. */
const cannotRun = 126;
const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'];

/** The executable of the `node-<platform>-<arch>` package (an optional dependency), or null. */
function findPinnedNode() {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-${platform}-${process.arch}/package.json`);
    const file = join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    accessSync(file, constants.X_OK);
    return file;
  } catch {
    return null;
  }
}

/** The Node to run on: the pinned one, else this one if it is new enough, else null. */
function chooseNode() {
  const pinned = findPinnedNode();
  if (pinned !== null) return pinned;
  const major = Number(process.versions.node.split('.')[0]);
  return major >= oldestMajor && process.features.typescript ? process.execPath : null;
}

/** Says why nothing runs and sets the exit code. */
function fail(message) {
  process.stderr.write(`lockdown-proxy: ${message}\n`);
  process.exitCode = cannotRun;
}

/** Waits for the child in this process's stead: passes signals on, ends as it ended. */
function runAsChild(file, argv, env) {
  const child = spawn(file, argv, { stdio: 'inherit', env });
  const onTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  const handlers = (process.platform === 'win32' ? ['SIGINT', 'SIGTERM'] : forwarded).map((signal) => {
    // Ctrl-C reaches the whole foreground group: passing it on would be the second signal that cuts a drain short.
    const handler = () => (signal === 'SIGINT' && onTerminal) || child.kill(signal);
    process.on(signal, handler);
    return [signal, handler];
  });
  child.on('error', (error) => fail(`cannot run ${file}: ${error.message}`));
  child.on('exit', (code, signal) => {
    for (const [name, handler] of handlers) process.off(name, handler);
    if (signal === null) process.exitCode = code;
    else {
      process.exitCode = 128 + system.signals[signal];
      process.kill(process.pid, signal);
    }
  });
}

const node = chooseNode();
if (node === null) {
  fail(
    `needs Node ${oldestMajor} or newer, and this is ${process.version}; ` +
      'run `npm ci` without --omit=optional to get the one it pins',
  );
} else {
  // http-proxy's util._extend warns on each start (DEP0060); SIGUSR1 would open the inspector to anyone local; with
  // young space for more than 8 MB twice as much of what opening tunnels leaves behind would grow old, and stay; little of
  // it is ever alive, and to wake other threads for that costs more than they do.
  const flags = ['--disable-warning=DEP0060', '--disable-sigusr1', '--max-semi-space-size=8', '--no-parallel-scavenge'];
  const argv = [...flags, main, ...process.argv.slice(2)];
  // Beside the code and as trusted as it is: the default is a folder under /tmp that others could fill.
  const cache = fileURLToPath(new URL('../node_modules/.cache/lockdown-proxy', import.meta.url));
  const env = { NODE_COMPILE_CACHE: cache, ...process.env };
  // Where this process can become the other, none stays behind to hold memory or to lose a signal.
  if (process.execve && process.platform !== 'win32') process.execve(node, [node, ...argv], env);
  else runAsChild(node, argv, env);
}
