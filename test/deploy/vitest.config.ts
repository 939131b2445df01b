import { defineConfig } from 'vitest/config';
import { TotalsReporter } from '../support/totals-reporter.ts';

export default defineConfig({
  test: {
    name: 'deploy',
    include: ['test/deploy/**/*.test.ts'],
    // Roots are made and booted here: a file has the machine to itself.
    fileParallelism: false,
    globalSetup: ['test/deploy/scratch.ts'],
    testTimeout: 180_000,
    hookTimeout: 600_000,
    reporters: ['default', new TotalsReporter()],
  },
});
