/** `version`: ours and the runtime's. */
import { readFileSync } from 'node:fs';
import process from 'node:process';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export const version: string = manifest.version;

/** One line, or one object with `--json`. */
export function describeVersion(json: boolean): string {
  return json
    ? `${JSON.stringify({ version, node: process.versions.node })}\n`
    : `lockdown-proxy ${version} (Node ${process.versions.node})\n`;
}
