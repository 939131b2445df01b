/** The program itself: what `ranges refresh` fetches is in force in a proxy that runs already. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { serviceTagsJson } from '../support/ranges-publisher.ts';
import { createTempFolder } from '../support/temp-folder.ts';

const main = join(resolve(import.meta.dirname, '../..'), 'src/main.ts');
const flags = ['--disable-warning=DEP0060', main];
const run = promisify(execFile);

test('a running proxy takes what `ranges refresh` fetched, within seconds, and `explain` goes by it at once', async () => {
  using folder = createTempFolder();
  folder.write('ranges.json', serviceTagsJson({ changeNumber: 7 }));
  folder.write('rules.txt', '# rules\ntag:Storage\n');
  const ranges = 'ranges: { source: "./ranges.json", cacheDir: "./cache" }';
  const text = `listen: ["127.0.0.1:0"]\nadmin: { listen: "127.0.0.1:0" }\ncloud: public\nallowlist: ["./rules.txt"]\n${ranges}\n`;
  const config = ['--config', folder.write('config.yaml', text)];

  const proxy = spawn(process.execPath, [...flags, 'serve', ...config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(proxy, 'exit');
  try {
    const events: string[] = [];
    for await (const line of createInterface({ input: proxy.stderr })) {
      const { event, source, changeNumber } = JSON.parse(line) as Record<string, unknown>;
      events.push(String(event));
      if (event === 'started') {
        // The embedded ranges of a release are far larger than these: the operator has to insist.
        const refresh = await run(process.execPath, [...flags, 'ranges', 'refresh', '--force', ...config]);
        expect(refresh.stdout).toMatch(/^refreshed from the file .*: change number 7; .*\n$/);
        const explain = await run(process.execPath, [...flags, 'explain', '20.60.1.2:443', ...config]);
        expect(explain.stdout).toContain('(tag:Storage holds it in 20.60.0.0/16)');
      }
      if (event === 'ranges_refreshed') {
        expect({ source, changeNumber }).toEqual({ source: 'file', changeNumber: 7 });
        proxy.kill('SIGTERM');
      }
    }
    expect(events).toContain('ranges_refreshed');
    expect(await exited).toEqual([0, null]);
  } finally {
    proxy.kill('SIGKILL');
  }
}, 60_000);
