import { defineConfig } from 'vitest/config';
import { TotalsReporter } from '../support/totals-reporter.ts';

export default defineConfig({
  test: {
    name: 'browser',
    include: ['test/browser/**/*.test.ts'],
    execArgv: ['--disable-warning=DEP0060'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', new TotalsReporter()],
  },
});
