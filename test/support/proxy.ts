/** A whole proxy in this process, over a configuration and a list given as text, its log lines kept. */
import { startApp } from '../../src/app.ts';
import type { App } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { AccessLog } from '../../src/observe/access-log.ts';
import { createAccessFields } from '../../src/observe/access-log.ts';
import { formatPlainLine } from '../../src/observe/logger.ts';
import { squidLine } from '../../src/observe/squid-line.ts';
import type { ExchangeRecord } from '../../src/proxy/exchange.ts';
import type { ParentConnectDeps } from '../../src/proxy/parent-connect.ts';
import type { ResolverDeps } from '../../src/proxy/resolve.ts';
import type { RangesDeps } from '../../src/state/configured-feed.ts';
import { createMachine } from '../../src/state/machine.ts';
import { keepOutput, keepsOutput } from './output.ts';

export interface TestProxy extends AsyncDisposable {
  readonly app: App;
  readonly port: number;
  /** Ended exchanges, in order. */
  readonly records: readonly ExchangeRecord[];
  /** `tunnel-open` lines, in order. */
  readonly opened: readonly ExchangeRecord[];
  /** Service log calls: level, event, fields. */
  readonly said: readonly { level: string; event: string; fields: Record<string, unknown> }[];
  /** Resolves with the record at `index` once that many exchanges have ended. */
  record(index?: number): Promise<ExchangeRecord>;
}

export interface TestProxyOptions {
  /** YAML without `listen`, `cloud` and `allowlist`; loopback is admitted unless it says otherwise. */
  readonly config?: string;
  /** The allowlist, line by line. */
  readonly rules?: readonly string[];
  readonly resolver?: ResolverDeps;
  /** The lines of the users file that `auth: { usersFile: ./users }` names. */
  readonly users?: readonly string[];
  /** Where it listens: a free port of 127.0.0.1 unless this says otherwise. */
  readonly listen?: string;
  /** `listen` as YAML, in place of the one above. */
  readonly listeners?: string;
  /** More files beside the configuration, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** How a parent proxy is found and trusted. */
  readonly parent?: ParentConnectDeps;
  /** Where exchanges are written instead of being kept as `records`. */
  readonly accessLog?: AccessLog;
  /** Where datacenter ranges are; none unless given. */
  readonly ranges?: RangesDeps;
}

/** Names of a hosts-like table that the proxy looks up: no DNS unless `resolver` says so. */
export async function startProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const listen = options.listeners ?? `["${options.listen ?? '127.0.0.1:0'}"]`;
  const admin = /^admin:/m.test(options.config ?? '') ? '' : 'admin: { listen: "127.0.0.1:0" }\n';
  const others = Object.entries(options.files ?? {}).map(([name, text]) => [`/test/${name}`, text] as const);
  const files: Readonly<Record<string, string>> = {
    ...Object.fromEntries(others),
    '/test/config.yaml': `listen: ${listen}\ncloud: public\nworkers: 1\nallowlist: ["./rules.txt"]\n${admin}${options.config ?? ''}\n`,
    '/test/rules.txt': `# rules\n${(options.rules ?? []).join('\n')}\n`,
    '/test/users': `# users\n${(options.users ?? []).join('\n')}\n`,
  };
  const loaded = loadConfig({
    file: '/test/config.yaml',
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error(`no such file: ${path}`);
      return text;
    },
    listFolder: '/test/lists',
    cloud: 'public',
    networks: () => [],
  });
  const records: ExchangeRecord[] = [];
  const opened: ExchangeRecord[] = [];
  const accessFields = createAccessFields();
  const said: { level: string; event: string; fields: Record<string, unknown> }[] = [];
  const waiting: { index: number; resolve: (record: ExchangeRecord) => void }[] = [];
  const say =
    (level: string) =>
    (event: string, fields: Record<string, unknown> = {}) => {
      if (keepsOutput()) keepOutput(JSON.stringify({ event, ...fields }));
      said.push({ level, event, fields });
    };
  const app = await startApp(loaded, {
    accessLog: options.accessLog ?? {
      dropped: 0,
      relay() {},
      write(event, record) {
        if (keepsOutput()) {
          keepOutput(formatPlainLine(accessFields(event, record, 0)));
          keepOutput(squidLine(record));
        }
        if (event === 'tunnel-open') {
          opened.push({ ...record });
          return;
        }
        records.push({ ...record });
        for (const wait of waiting) {
          const found = records[wait.index];
          if (found) wait.resolve(found);
        }
      },
    },
    serviceLog: { info: say('info'), warn: say('warn'), error: say('error') },
    machine: createMachine(),
    resolver: options.resolver ?? { servers: ['127.0.0.1:9'], hostsFile: '/nonexistent' },
    ...(options.ranges && { ranges: options.ranges }),
    ...(options.parent && { parent: options.parent }),
  });
  return {
    app,
    port: app.listeners[0]!.port,
    records,
    opened,
    said,
    record(index = 0) {
      const found = records[index];
      return found ? Promise.resolve(found) : new Promise((resolve) => waiting.push({ index, resolve }));
    },
    async [Symbol.asyncDispose]() {
      keepOutput(await metricsOf(app));
      await app.stop(0);
    },
  };
}

/** What a Prometheus server would read; nothing where the test has stopped the proxy already. */
function metricsOf({ admin }: App): Promise<string> {
  return fetch(`http://${admin.address}:${admin.port}/metrics`).then(
    (response) => response.text(),
    () => '',
  );
}
