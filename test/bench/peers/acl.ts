/** The list of what is allowed, of the same length for every peer, in the form that each reads. */
import type { Destination } from '../load/processes.ts';

export type AclForm = 'rules' | 'names' | 'expressions' | 'apache' | 'prefixes' | 'none';

/** How long each list is. The entry that matches comes last, for those that read from the top. */
const entries = 100;
/** The name by which the destination is asked for; every system knows it without DNS. */
export const destinationHost = 'localhost';

const strangers = Array.from(
  { length: entries - 1 },
  (_, index) => `app-${String(index + 1).padStart(3, '0')}.example.net`,
);
const escaped = (name: string) => name.replaceAll('.', '\\.');

/** The whole list as text. */
export function writeAcl(
  form: AclForm,
  { tunnelPort, plainPort }: Pick<Destination, 'tunnelPort' | 'plainPort'>,
): string {
  const names = [...strangers, destinationHost];
  switch (form) {
    case 'rules': {
      // A rule names its ports; the destination takes two of the hundred.
      const own = [`https://${destinationHost}:${tunnelPort}`, `http://${destinationHost}:${plainPort}`];
      return lines([...strangers.slice(1), ...own]);
    }
    case 'names':
      return lines(names);
    case 'expressions':
      return lines(names.map((name) => `^${escaped(name)}$`));
    case 'apache':
      return lines(
        names.map((name) => `<ProxyMatch "^(http://)?${escaped(name)}[:/]">\n  Require all granted\n</ProxyMatch>`),
      );
    case 'prefixes':
      return lines([...strangers.map((_, index) => `10.0.${index}.0/24`), '127.0.0.0/8']);
    default:
      return '';
  }
}

function lines(list: readonly string[]): string {
  return `${list.join('\n')}\n`;
}
