/** What the admin listener says of readiness: the same that a balancer or a dashboard goes by. */
import { hostPort } from '../../address/ip.ts';
import type { Detail, Readiness } from '../../observe/readiness.ts';
import { httpGet } from '../../state/http-get.ts';
import type { Finding } from './finding.ts';
import { about, messageOf } from './finding.ts';
import type { Patient } from './patient.ts';

const say = about('proxy', 'admin');

const fixes: Readonly<Partial<Record<Detail, string>>> = {
  last_good_in_use: 'lockdown-proxy check, mend the file, lockdown-proxy reload',
  reload_failed: 'lockdown-proxy reload',
  ranges_stale: 'lockdown-proxy ranges refresh',
  ranges_missing: 'lockdown-proxy ranges refresh',
};

export async function probeAdmin({ config, running }: Patient): Promise<readonly Finding[]> {
  const { address, port } = config.admin.listen;
  // A port that the system chose is known to the process alone.
  if (port === 0 || (!running.status && !running.isForbidden)) return [];
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
  const place = hostPort(host, port);
  try {
    const { status, body } = await httpGet(`http://${place}/readyz`, { timeoutMs: 3000, maxBytes: 65_536 });
    const state = JSON.parse(body) as Partial<Readiness>;
    if (status !== 200)
      return [
        say.fail(`${place}/readyz: ${state.status ?? status}`, 'wait for it, or `journalctl -u lockdown-proxy -n 30`'),
      ];
    const remarks = (state.details ?? []).flatMap((detail) => {
      const fix = fixes[detail];
      return fix === undefined ? [] : [say.warn(`${place}/readyz: ${detail}`, fix)];
    });
    return [say.ok(`${place}/readyz: ready`), ...remarks];
  } catch (error) {
    return [
      say.fail(
        `${place}/readyz: ${messageOf(error)}`,
        'is it the `admin.listen` of the proxy that runs? systemctl restart lockdown-proxy',
      ),
    ];
  }
}
