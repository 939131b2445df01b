/** What systemd knows of the proxy: whether it runs, starts by itself, and whether a socket unit says what `listen` says. */
import { hostPort } from '../../address/ip.ts';
import { parseEndpoint } from '../../config/values.ts';
import { isSocketFor } from '../../state/passed-sockets.ts';
import type { Finding } from './finding.ts';
import { about } from './finding.ts';
import type { Patient } from './patient.ts';

const service = 'lockdown-proxy.service';
const socket = 'lockdown-proxy.socket';

export async function probeUnit({ sources, running }: Patient): Promise<readonly Finding[]> {
  const say = about('machine', 'unit');
  const [shown, shownSocket] = await Promise.all([sources.showUnit(service), sources.showUnit(socket)]);
  if (shown === null)
    return [say.unseen('systemd does not run here', 'see that whatever starts the proxy starts it again')];
  const unit = propertiesOf(shown);
  if (unit('LoadState') !== 'loaded') {
    return [
      say.unseen(
        `${service} is not installed`,
        `for a proxy that starts by itself: the Debian package, or deploy/systemd/`,
      ),
    ];
  }
  const found: Finding[] = [];
  const isActive = unit('ActiveState') === 'active';
  if (isActive) found.push(say.ok(`${service} is active (${unit('SubState')})`));
  else {
    const told = `${service} is ${unit('ActiveState')} (${unit('Result')})`;
    const by = running.status === null ? '' : `, while process ${running.status.pid} serves beside it`;
    const fix = `\`journalctl -u lockdown-proxy -n 30\` says why; then \`systemctl restart lockdown-proxy\``;
    found.push(say.fail(told + by, fix));
  }
  const socketState = shownSocket === null ? null : propertiesOf(shownSocket)('UnitFileState');
  if (unit('UnitFileState') === 'disabled' && socketState !== 'enabled') {
    found.push(say.warn(`${service} does not start with the machine`, 'systemctl enable lockdown-proxy'));
  }
  const restarts = Number(unit('NRestarts') || 0);
  if (restarts > 0) {
    found.push(say.warn(`systemd had to start it again, ${restarts} times`, 'journalctl -u lockdown-proxy -p warning'));
  }
  if (unit('NeedDaemonReload') === 'yes') {
    found.push(
      say.warn(
        'the unit changed on disk and is not read yet',
        'systemctl daemon-reload && systemctl restart lockdown-proxy',
      ),
    );
  }
  return found;
}

/** Its `ListenStream=` lines against `listen`, in order; nothing is said where there is no such unit in use. */
export async function probeSocketUnit({ sources, config }: Patient): Promise<readonly Finding[]> {
  const say = about('machine', 'socket-unit');
  const shown = await sources.showUnit(socket);
  const unit = propertiesOf(shown ?? '');
  if (unit('LoadState') !== 'loaded' || !['active', 'activating', 'failed'].includes(unit('ActiveState'))) return [];
  const units = [...(shown ?? '').matchAll(/^Listen=(\S+) \(Stream\)$/gm)].map(([, text = '']) => text);
  const bound = units.flatMap((text) => {
    const endpoint = parseEndpoint(text);
    return endpoint.ok ? [endpoint.value] : [];
  });
  const asked = config.listen.map(({ address, port }) => hostPort(address, port));
  const isSame =
    bound.length === config.listen.length &&
    config.listen.every((listen, index) => {
      const other = bound[index];
      return other !== undefined && isSocketFor(listen, other);
    });
  const fix =
    `\`systemctl edit lockdown-proxy.socket\`: [Socket] ListenStream= (empty), then a line ` +
    `${asked.map((text) => `ListenStream=${text}`).join(', ')}; then restart both units`;
  if (!isSame)
    return [say.fail(`${socket} opens ${units.join(', ') || 'nothing'}, \`listen\` says ${asked.join(', ')}`, fix)];
  if (unit('ActiveState') === 'failed') return [say.fail(`${socket} has failed`, `systemctl status ${socket}`)];
  return [say.ok(`${socket} opens what \`listen\` says`)];
}

function propertiesOf(text: string): (name: string) => string {
  return (name) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';
}
