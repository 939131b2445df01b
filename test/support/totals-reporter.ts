/** Ends a test run with its totals alone on one line, for people and scripts: `N passed, N failed`. */
import type { Reporter, TestModule } from 'vitest/node';

/** What one run came to; a file that could not be run counts as one failed test. */
export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** The last line; skipped tests have a line of their own before it when there are some, so that none is lost silently. */
export function formatTotals({ passed, failed, skipped }: Totals): string {
  return `${skipped === 0 ? '' : `${skipped} skipped\n`}${passed} passed, ${failed} failed`;
}

function countModules(modules: readonly TestModule[]): Totals {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  for (const module of modules) {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') totals.passed += 1;
      else if (state === 'skipped') totals.skipped += 1;
      else failedHere += 1;
    }
    // A file that broke while it was read, or a hook that failed, has no failed test to show for it.
    totals.failed += failedHere === 0 && !module.ok() ? 1 : failedHere;
  }
  return totals;
}

/** A Vitest reporter that only adds the last line; use it after the default one. */
export class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const totals = countModules(modules);
    totals.failed += errors.length;
    process.stdout.write(`\n${formatTotals(totals)}\n`);
  }
}
