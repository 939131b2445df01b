import { defineConfig } from 'vitest/config';
import { TotalsReporter } from '../support/totals-reporter.ts';

export default defineConfig({
  test: {
    name: 'interop',
    include: ['test/interop/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    globalSetup: ['test/support/check-output.ts'],
    reporters: ['default', new TotalsReporter()],
  },
});
