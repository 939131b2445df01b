/** A proxy whose rules name a tag, over a publisher of its own; the embedded ranges are those the test gives. */
import type { TestProxy } from './proxy.ts';
import { startProxy } from './proxy.ts';
import { compactRanges, createRangesPublisher } from './ranges-publisher.ts';
import type { RangesPublisher } from './ranges-publisher.ts';
import { mebibyte } from './ranges-request.ts';
import { createTempFolder } from './temp-folder.ts';
import type { TempFolder } from './temp-folder.ts';
import { plainLoopback } from './tunnel.ts';

export interface RangedProxy extends AsyncDisposable {
  readonly proxy: TestProxy;
  readonly publisher: RangesPublisher;
  /** Has the embedded ranges in `ranges/` and the cache in `cache/`. */
  readonly folder: TempFolder;
  /** The service log's lines of an event. */
  readonly said: (event: string) => readonly Record<string, unknown>[];
}

export interface RangedProxyOptions {
  readonly rules: readonly string[];
  /** Keys of `ranges` in YAML flow, with a comma behind each. */
  readonly ranges?: string;
  /** Embedded prefixes by tag; loopback, which no feed may hold, is what a test can dial. */
  readonly embedded?: Readonly<Record<string, readonly string[]>>;
  /** More of the configuration, whole lines. */
  readonly config?: string;
  /** More files beside it, by name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly budgetMs?: number;
  readonly folder?: TempFolder;
}

/** Starts both; nothing is fetched until the test says so or half a minute has gone by. */
export async function startRangedProxy(options: RangedProxyOptions): Promise<RangedProxy> {
  const folder = options.folder ?? createTempFolder();
  const publisher = await createRangesPublisher(`${folder.path}/asset-tag`);
  folder.write('ranges/public.txt', compactRanges(options.embedded ?? { Storage: ['127.0.0.0/8'] }));
  const proxy = await startProxy({
    config: `${plainLoopback}ranges: { ${options.ranges ?? ''} cacheDir: "${folder.path}/cache" }\n${options.config ?? ''}`,
    rules: options.rules,
    files: options.files ?? {},
    ranges: {
      listFolder: folder.path,
      endpoints: publisher.endpoints,
      budget: { timeoutMs: options.budgetMs ?? 10_000, maxBytes: 64 * mebibyte },
    },
  });
  return {
    proxy,
    publisher,
    folder,
    said: (event) => proxy.said.filter((line) => line.event === event).map(({ fields }) => fields),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await publisher[Symbol.asyncDispose]();
      folder.remove();
    },
  };
}
