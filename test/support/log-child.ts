/**
 * A process that writes an access log to its standard output, so that a test may be the reader that stalls, is slow or
 * goes away. Told what to do by messages, it answers each with how the log stands.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { createAccessLog } from '../../src/observe/access-log.ts';
import { createServiceLog } from '../../src/observe/service-log.ts';
import { exchangeRecord } from './exchange-record.ts';

export type Order =
  | { readonly do: 'write'; readonly lines: number }
  | { readonly do: 'write-until-dropped' | 'write-until-error' }
  | { readonly do: 'close'; readonly deadlineMs: number }
  | { readonly do: 'service' }
  | { readonly do: 'exit' };

export interface Report {
  readonly written: number;
  readonly dropped: number;
  readonly errors: readonly string[];
}

const [destination = '-', maxQueuedBytes = '16777216'] = process.argv.slice(2);
const errors: string[] = [];
const log = createAccessLog({
  destination,
  format: 'json',
  maxQueuedBytes: Number(maxQueuedBytes),
  onError: (error) => errors.push(error.message),
});
let written = 0;

function writeLine(): void {
  log.write('access', exchangeRecord({ id: String(written), userAgent: 'x'.repeat(300) }));
  written += 1;
}

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'write':
      for (let line = 0; line < order.lines; line += 1) {
        writeLine();
        // The loop must go on turning while lines are written.
        if (line % 100 === 99) await turn();
      }
      return;
    case 'write-until-dropped':
    case 'write-until-error':
      while (order.do === 'write-until-error' ? errors.length === 0 : log.dropped === 0) {
        writeLine();
        await turn();
      }
      return;
    case 'close':
      await log.close(order.deadlineMs);
      return;
    case 'service': {
      const service = createServiceLog({ level: 'info', now: () => 0 });
      service.debug('unheard');
      service.info('started', { port: 3128 }, 'ready\u001b[2J\u202e');
      service.warn('reload_failed', { error: Object.assign(new Error('no such file'), { code: 'ENOENT' }) });
      service.error('bug', { error: new TypeError('x is not a function', { cause: new Error('deeper') }) });
      await service.close(5000);
      return;
    }
    case 'exit':
      process.exit(0);
  }
}

// A file size limit announces itself by a signal that would end the process before the write could fail.
process.on('SIGXFSZ', () => {});
process.on('message', (order: Order) => {
  void obey(order).then(() => process.send?.({ written, dropped: log.dropped, errors } satisfies Report));
});
