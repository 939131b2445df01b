/** `explain` on the command line: loads the configuration, takes the decision, prints it. */
import process from 'node:process';
import { ConfigError } from '../errors.ts';
import { createResolve } from '../proxy/resolve.ts';
import { createMachine } from '../state/machine.ts';
import { createSnapshot } from '../state/snapshot.ts';
import { askProxy } from '../observe/control-ask.ts';
import { controlPath } from '../observe/control-socket.ts';
import type { Machine } from '../policy/decide.ts';
import type { Snapshot } from '../state/snapshot.ts';
import type { Explanation, ExplainOptions } from './explain.ts';
import { formatExplanation } from './explain-text.ts';
import { OptionError, explain } from './explain.ts';
import { runningConfigHash } from './ask-running.ts';
import { loadFromDisk, rangesOnDisk } from './load-config.ts';

export interface RunExplainOptions extends ExplainOptions {
  readonly config: string | null;
  readonly json: boolean;
  /** Whether the running proxy is asked, which goes by what is in force. */
  readonly running: boolean;
  readonly out: (text: string) => void;
}

/** Gives 0 for an allowed target, 3 for a refused one, 1 for a bad configuration, 2 for a bad option. */
export function runExplain(options: RunExplainOptions): Promise<number> {
  return options.running ? explainRunning(options) : explainFile(options);
}

/** The decision that exchanges get which open now under this snapshot. @throws OptionError */
export function explainBy(snapshot: Snapshot, machine: Machine, options: ExplainOptions): Promise<Explanation> {
  const { policy, config, requiredFrom, parent } = snapshot;
  const resolve = createResolve();
  return explain(options, {
    policy,
    machine,
    requiredFrom,
    parent,
    resolve: async (host) => resolve(host, config.limits.dnsMs, new AbortController().signal),
  });
}

/** What is in force may not be what the file says, or what this process would make of it. */
async function explainRunning({ target, from, user, resolve, method, json, out }: RunExplainOptions): Promise<number> {
  try {
    const asked = JSON.stringify({ target, from, user, resolve, method } satisfies ExplainOptions);
    const explanation = (await askProxy(controlPath(process.env), 'explain', [asked])) as Explanation;
    out(json ? `${JSON.stringify(explanation)}\n` : formatExplanation(explanation));
    return codeOf(explanation);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    process.stderr.write(`lockdown-proxy: ${error.message}\n`);
    return 1;
  }
}

async function explainFile(options: RunExplainOptions): Promise<number> {
  try {
    const loaded = await loadFromDisk(options.config);
    const snapshot = createSnapshot(loaded, 1, rangesOnDisk(loaded));
    const machine = createMachine();
    for (const { address, port } of snapshot.config.listen) machine.addListener(address, port);
    const explanation = await explainBy(snapshot, machine, options);
    const running = await runningConfigHash(options.config);
    const hashes = running === null ? {} : { configHash: loaded.hash, runningConfigHash: running };
    options.out(options.json ? `${JSON.stringify({ ...explanation, ...hashes })}\n` : formatExplanation(explanation));
    if (!options.json && running !== null && running !== loaded.hash) {
      options.out(`  note     the running proxy goes by ${running}, the file says ${loaded.hash}; see \`status\`\n`);
    }
    return codeOf(explanation);
  } catch (error) {
    if (error instanceof ConfigError) {
      process.stderr.write(`${error.message}\n`);
      return 1;
    }
    if (error instanceof OptionError) {
      process.stderr.write(`lockdown-proxy: ${error.message}\n`);
      return 2;
    }
    throw error;
  }
}

function codeOf({ verdict }: Explanation): number {
  return verdict === 'allow' || verdict === 'would_deny' ? 0 : 3;
}
