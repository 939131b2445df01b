/** `explain` on the command line: loads the configuration, takes the decision, prints it. */
import process from 'node:process';
import { ConfigError } from '../errors.ts';
import { createResolve } from '../proxy/resolve.ts';
import { createMachine } from '../state/machine.ts';
import { createSnapshot } from '../state/snapshot.ts';
import type { ExplainOptions } from './explain.ts';
import { formatExplanation } from './explain-text.ts';
import { OptionError, explain } from './explain.ts';
import { runningConfigHash } from './ask-running.ts';
import { loadFromDisk, rangesOnDisk } from './load-config.ts';

export interface RunExplainOptions extends ExplainOptions {
  readonly config: string | null;
  readonly json: boolean;
  readonly out: (text: string) => void;
}

/** Gives 0 for an allowed target, 3 for a refused one, 1 for a bad configuration, 2 for a bad option. */
export async function runExplain(options: RunExplainOptions): Promise<number> {
  try {
    const loaded = await loadFromDisk(options.config);
    const { policy, config, requiredFrom, parent } = createSnapshot(loaded, 1, rangesOnDisk(loaded));
    const machine = createMachine();
    for (const { address, port } of config.listen) machine.addListener(address, port);
    const resolve = createResolve();
    const explanation = await explain(options, {
      policy,
      machine,
      requiredFrom,
      parent,
      resolve: (host) => resolve(host, config.limits.dnsMs, new AbortController().signal),
    });
    const running = await runningConfigHash(options.config);
    const hashes = running === null ? {} : { configHash: loaded.hash, runningConfigHash: running };
    options.out(options.json ? `${JSON.stringify({ ...explanation, ...hashes })}\n` : formatExplanation(explanation));
    if (!options.json && running !== null && running !== loaded.hash) {
      options.out(`  note     the running proxy goes by ${running}, the file says ${loaded.hash}; see \`status\`\n`);
    }
    return explanation.verdict === 'allow' || explanation.verdict === 'would_deny' ? 0 : 3;
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
