/** Whether new connections should be sent here, and what an operator should know although they should. */
import type { RangesStatus } from '../state/range-feed.ts';

export type Phase = 'starting' | 'ready' | 'draining';

/** What is asked each time. */
export interface ReadinessSources {
  readonly phase: () => Phase;
  readonly lastReloadSucceeded: () => boolean;
  /** Whether the configuration of an earlier run is in force, because the one on disk has faults. */
  readonly isLastGood: () => boolean;
  readonly ranges: () => Pick<RangesStatus, 'isStale' | 'provenance' | 'prefixes'> | null;
  readonly mode: () => 'enforce' | 'report';
}

/** One bad push reaches every instance at once: none of the details may take them all out of a balancer. */
export type Detail = 'last_good_in_use' | 'reload_failed' | 'ranges_stale' | 'ranges_missing' | 'report_mode';

export interface Readiness {
  readonly status: Phase;
  readonly ready: boolean;
  readonly details: readonly Detail[];
}

/** How this proxy is: ready unless it starts or drains. */
export function readinessOf(sources: ReadinessSources): Readiness {
  const status = sources.phase();
  const ranges = sources.ranges();
  const details: readonly (readonly [Detail, boolean])[] = [
    ['last_good_in_use', sources.isLastGood()],
    ['reload_failed', !sources.isLastGood() && !sources.lastReloadSucceeded()],
    ['ranges_stale', ranges?.isStale === true],
    ['ranges_missing', ranges !== null && ranges.prefixes.size > 0 && ranges.provenance === null],
    ['report_mode', sources.mode() === 'report'],
  ];
  return { status, ready: status === 'ready', details: details.flatMap(([detail, holds]) => (holds ? [detail] : [])) };
}
