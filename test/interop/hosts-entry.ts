/** One line of the hosts file that lives as long as a test needs it. */
import { readFileSync, writeFileSync } from 'node:fs';

const file = '/etc/hosts';

/**
 * Maps names to an address until disposed. The file is written in place, because in a container it is a mount that
 * cannot be replaced; only the line added here is ever taken out, also when the process ends early.
 */
export function addHostsEntry(address: string, names: readonly string[]): Disposable {
  const line = `${address} ${names.join(' ')} # lockdown-proxy interop tests\n`;
  const remove = (): void => {
    process.off('exit', remove);
    const text = readFileSync(file, 'utf8');
    const at = text.indexOf(line);
    if (at >= 0) writeFileSync(file, text.slice(0, at) + text.slice(at + line.length));
  };
  remove(); // a line that a killed run left behind
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text === '' || text.endsWith('\n') ? text + line : `${text}\n${line}`);
  process.on('exit', remove);
  return { [Symbol.dispose]: remove };
}
