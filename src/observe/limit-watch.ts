/** Says in the service log when connections come near their limit, before the first client is refused. */
import type { ServiceLog } from './service-log.ts';

export interface LimitWatch {
  /** Looks at how many are open; to be called from time to time. */
  look(): void;
}

export interface LimitWatchOptions {
  readonly log: Pick<ServiceLog, 'warn'>;
  /** Connections that are open, and how many may be. */
  readonly open: () => number;
  readonly limit: () => number;
}

/** Said from this share of the limit on, and again only after it was less than the other in between. */
const nearShare = 0.9;
const farShare = 0.8;

export function createLimitWatch({ log, open, limit }: LimitWatchOptions): LimitWatch {
  let isNear = false;
  return {
    look() {
      const [count, most] = [open(), limit()];
      if (count < most * farShare) isNear = false;
      if (isNear || count < most * nearShare) return;
      isNear = true;
      const message = 'beyond the limit clients get 503: raise limits.connections, or find out who holds them open';
      log.warn('limit_near', { limit: 'connections', open: count, most }, message);
    },
  };
}
