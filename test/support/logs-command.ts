/** A `logs` command over a folder whose configuration logs to its `access.log`. */
import { Readable } from 'node:stream';
import type { ClientsOptions } from '../../src/cli/logs/clients.ts';
import { sayingErrors } from '../../src/cli/logs/read.ts';
import type { TempFolder } from './temp-folder.ts';
import { createTempFolder } from './temp-folder.ts';

export interface CommandResult {
  readonly code: number;
  readonly output: string;
  /** What went beside the output. */
  readonly said: string;
  readonly lines: readonly string[];
}

/** A folder with these lines as its `access.log`. */
export function folderWithLog(lines: readonly string[]): TempFolder {
  const folder = createTempFolder();
  folder.write('access.log', lines.join(''));
  return folder;
}

/** Runs a command; it is the third of January 2026, and nobody's terminal. */
export async function runLogs(
  run: (options: ClientsOptions) => Promise<number>,
  folder: TempFolder,
  changes: Partial<ClientsOptions> = {},
  config = 'log: { access: ./access.log }\n',
): Promise<CommandResult> {
  let output = '';
  let said = '';
  const say = (text: string) => void (said += text);
  const options: ClientsOptions = {
    config: folder.write('config.yaml', config),
    json: false,
    files: [],
    out: (text) => void (output += text),
    say,
    terminal: { width: null, isInteractive: false, paint: (_style, text) => text },
    now: () => Date.parse('2026-01-03T00:00:00Z'),
    stdin: Readable.from([]),
    since: null,
    client: null,
    target: null,
    reason: null,
    verdict: null,
    expect: null,
    ...changes,
  };
  const code = await sayingErrors(say, () => run(options));
  return { code, output, said, lines: output.trimEnd().split('\n') };
}
