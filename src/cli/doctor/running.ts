/** The running proxy: whether it is there, listens where it should, and may hold as many descriptors as it admits. */
import { hostPort } from '../../address/ip.ts';
import { classifyAddress } from '../../address/special-purpose.ts';
import { parseAddress } from '../../address/ip.ts';
import type { Finding } from './finding.ts';
import { about } from './finding.ts';
import type { Patient } from './patient.ts';
import { listenersOf } from './entry.ts';

const startFix = '`systemctl start lockdown-proxy`, and where it does not stay: `journalctl -u lockdown-proxy -n 30`';

/** Whether a proxy answers on its control socket. */
export async function probeProcess({ running }: Patient): Promise<readonly Finding[]> {
  const say = about('proxy', 'process');
  if (running.status) {
    const { pid, version, uptimeSeconds, tunnelsOpen, draining } = running.status;
    const told = `version ${version}, process ${pid}, up ${Math.floor(uptimeSeconds)} s, ${tunnelsOpen} tunnels open`;
    return [draining ? say.warn(`${told}, draining`, 'it is being stopped: wait, or start it again') : say.ok(told)];
  }
  if (running.isForbidden) return [say.unseen(`its control socket: ${running.why}`, 'sudo lockdown-proxy doctor')];
  return [say.fail(`no proxy can be asked: ${running.why}`, startFix)];
}

/** Whether each listener takes a connection from this machine. */
export async function probeListeners(patient: Patient, signal: AbortSignal): Promise<readonly Finding[]> {
  const say = about('proxy', 'listener');
  const { config, running, sources } = patient;
  const found = await Promise.all(
    listenersOf(patient).map(async ({ address, port, reachable }): Promise<Finding> => {
      const told = hostPort(address, port);
      const [target] = reachable;
      if (!target)
        return say.warn(`${told} is no address of this machine`, 'name one that it has in `listen`, or 0.0.0.0');
      try {
        const { socket } = await sources.dial([{ address: target }], port, 2000, signal);
        socket.destroy();
      } catch {
        return say.fail(`nothing takes connections on ${told}`, startFix);
      }
      const own = parseAddress(address);
      if (own && classifyAddress(own) === 'loopback') {
        return say.warn(
          `${told} is for this machine alone`,
          `for the clients: listen: ["0.0.0.0:${port}"], then restart`,
        );
      }
      return say.ok(`${told} takes connections`);
    }),
  );
  const asked = config.listen.map(({ address, port }) => hostPort(address, port));
  const missing = running.status ? asked.filter((listener) => !isServed(listener, running.status.listen)) : [];
  if (missing.length === 0) return found;
  const fix = '`listen` counts from the next start on: systemctl restart lockdown-proxy';
  return [...found, say.warn(`the running proxy does not listen on ${missing.join(', ')}`, fix)];
}

/** Port 0 is whatever the system chose. */
function isServed(listener: string, bound: readonly string[]): boolean {
  if (!listener.endsWith(':0'))
    return bound.includes(listener) || bound.includes(listener.replace(/^0\.0\.0\.0:/, '[::]:'));
  return bound.some((other) => other.startsWith(listener.slice(0, -1)));
}

/** Two descriptors a tunnel, and some for logs, look-ups and listeners. */
const spareFiles = 256;

/** RLIMIT_NOFILE of the process that runs, else of the unit that would run it. */
export async function probeOpenFiles({ config, running, sources }: Patient): Promise<readonly Finding[]> {
  const say = about('proxy', 'open-files');
  const { connections } = config.limits;
  const limits = running.status && sources.readText(`/proc/${running.status.pid}/limits`);
  const shown = limits === null ? await sources.showUnit('lockdown-proxy.service') : null;
  const text = limits
    ? /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1]
    : /^LimitNOFILE=(\d+|infinity)$/m.exec(shown ?? '')?.[1];
  const isLoaded = limits !== null || /^LoadState=loaded$/m.test(shown ?? '');
  if (text === undefined || !isLoaded) {
    return [say.unseen('no process and no unit to read the limit of', 'grep "open files" /proc/PID/limits')];
  }
  const limit = Number(text);
  const needed = 2 * connections + spareFiles;
  const whose = limits ? 'the process' : 'the unit';
  if (Number.isNaN(limit) || limit >= needed) {
    return [say.ok(`${whose} may open ${text} files, limits.connections ${connections} needs ${needed}`)];
  }
  const fits = Math.max(1, Math.floor((limit - spareFiles) / 2));
  const fix =
    `\`systemctl edit lockdown-proxy\`: [Service] LimitNOFILE=${Math.max(131_072, needed)}, then restart; ` +
    `or in the configuration: limits: { connections: ${fits} }`;
  return [say.fail(`${whose} may open ${limit} files, limits.connections ${connections} needs ${needed}`, fix)];
}
