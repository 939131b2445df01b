/**
 * How long the `logs` commands take over a gigabyte, and in how much memory: `npm run bench:logs [MEGABYTES]`.
 * Fails where one takes 15 s or 200 MB and more. The log is made in the temporary folder and deleted afterwards.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, createWriteStream, openSync, statSync, writeSync } from 'node:fs';
import process from 'node:process';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { run } from '../../src/cli/program.ts';
import { jsonLine, refusal } from '../support/log-lines.ts';
import { createTempFolder } from '../support/temp-folder.ts';

const mostMs = 15_000;
const mostMegabytes = 200;
const childFlag = '--measured';

/** A number that looks random and is the same every time. */
function scatter(at: number, among: number): number {
  return (Math.imul(at + 1, 0x9e3779b1) >>> 7) % among;
}

/** 300 clients, 3,000 accounts; one exchange in ten refused, one in fifty for a target never asked for before. */
function lineAt(at: number): string {
  const client = `10.${scatter(at, 3)}.0.${scatter(at, 100)}`;
  const time = new Date(Date.UTC(2026, 0, 1) + at * 400).toISOString();
  const userAgent = scatter(at, 2) ? 'Azure-Storage/10.3 (.NET 8.0; Microsoft Windows 10.0.20348)' : null;
  const shared = { client, at: time, userAgent, id: `q3f81-${at.toString(36)}`, bytesDown: scatter(at, 5_000_000) };
  if (scatter(at, 50) === 0) return jsonLine(refusal(`n${at}.example.net:443`, shared));
  const target = `account${scatter(at, 3000)}.blob.core.windows.net:443`;
  return jsonLine(scatter(at, 10) === 0 ? refusal(target, shared) : { ...shared, target, connectMs: scatter(at, 40) });
}

/** Writes so many megabytes of log; the times of its 50,000 different lines come round again. */
function makeLog(path: string, megabytes: number): number {
  const file = openSync(path, 'w');
  const blocks = Array.from({ length: 50 }, (_, block) =>
    Buffer.from(Array.from({ length: 1000 }, (_line, at) => lineAt(block * 1000 + at)).join('')),
  );
  let written = 0;
  let lines = 0;
  for (let at = 0; written < megabytes * 1e6; at += 1) {
    written += writeSync(file, blocks[at % blocks.length] ?? Buffer.alloc(0));
    lines += 1000;
  }
  closeSync(file);
  return lines;
}

interface Measure {
  readonly code: number;
  readonly ms: number;
  readonly cpuMs: number;
  readonly megabytes: number;
}

/** Runs the command line in a process of its own, from its start to its end. */
async function measure(args: readonly string[]): Promise<Measure> {
  const child = spawn(process.execPath, [import.meta.filename, childFlag, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  await once(child, 'close');
  return JSON.parse(said.trimEnd().split('\n').at(-1) ?? '') as Measure;
}

async function runMeasured(args: readonly string[]): Promise<void> {
  const code = await run(args);
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const cpuMs = (userCPUTime + systemCPUTime) / 1000;
  process.stderr.write(`\n${JSON.stringify({ code, ms: performance.now(), cpuMs, megabytes: maxRSS / 1000 })}\n`);
}

async function main(megabytes: number): Promise<void> {
  using folder = createTempFolder();
  const log = `${folder.path}/access.log`;
  const packed = `${folder.path}/packed.gz`;
  const lines = makeLog(log, megabytes);
  await pipeline(createReadStream(log), createGzip({ level: 1 }), createWriteStream(packed));
  const size = (path: string) => `${(statSync(path).size / 1e6).toFixed(0)} MB`;
  process.stdout.write(`${lines} lines, ${size(log)}, packed ${size(packed)}\n\n`);
  process.stdout.write('command                       seconds  CPU s  memory MB\n');
  const commands: readonly (readonly string[])[] = [
    ['logs', 'summary', log],
    ['logs', 'summary', packed],
    ['logs', 'denied', '--json', log],
    ['logs', 'auth', log],
    ['logs', 'clients', log],
    ['logs', 'suggest', log],
    ['why', '10.0.0.7', log, '--since', '2025-12-31'],
  ];
  let isWithin = true;
  for (const args of commands) {
    const { code, ms, cpuMs, megabytes } = await measure(args);
    const isGood = code === 0 && ms < mostMs && megabytes < mostMegabytes;
    isWithin &&= isGood;
    const name = args.map((arg) => arg.replace(`${folder.path}/`, '')).join(' ');
    const figures = [
      (ms / 1000).toFixed(1).padStart(7),
      (cpuMs / 1000).toFixed(1).padStart(6),
      megabytes.toFixed(0).padStart(10),
    ];
    process.stdout.write(`${name.slice(0, 29).padEnd(29)} ${figures.join(' ')}${isGood ? '' : '  over the limit'}\n`);
  }
  process.exitCode = isWithin ? 0 : 1;
}

const [first, ...rest] = process.argv.slice(2);
if (first === childFlag) await runMeasured(rest);
else await main(Number(first ?? 1000));
