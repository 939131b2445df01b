import { defineConfig } from 'vitest/config';
import { TotalsReporter } from './test/support/totals-reporter.ts';

const project = (name: string, folders: readonly string[]) => ({
  test: { name, include: folders.map((folder) => `test/${folder}/**/*.test.ts`), testTimeout: 20_000 },
});

export default defineConfig({
  test: {
    reporters: ['default', new TotalsReporter()],
    projects: [
      project('unit', ['unit', 'property']),
      project('integration', ['integration', 'wire']),
      { test: { name: 'house', include: ['test/*.test.ts'], testTimeout: 60_000 } },
    ],
  },
});
