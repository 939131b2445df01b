import { defineConfig } from 'vitest/config';
import { TotalsReporter } from './test/support/totals-reporter.ts';

/** http-proxy's util._extend warns in every process (DEP0060); the bin silences it the same way. */
const execArgv = ['--disable-warning=DEP0060'];

const project = (name: string, folders: readonly string[]) => ({
  test: { name, execArgv, include: folders.map((folder) => `test/${folder}/**/*.test.ts`), testTimeout: 60_000 },
});

export default defineConfig({
  test: {
    // Most of a test's time is waiting for sockets and processes, so more run than there are cores.
    maxWorkers: 3,
    globalSetup: ['test/support/check-output.ts'],
    reporters: ['default', new TotalsReporter()],
    projects: [
      project('unit', ['unit', 'property']),
      project('integration', ['integration', 'wire']),
      { test: { name: 'house', execArgv, include: ['test/*.test.ts'], testTimeout: 60_000 } },
    ],
  },
});
