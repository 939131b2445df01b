import { describe, expect, it } from 'vitest';
import { createSummary } from '../../../src/observe/log-summary.ts';
import { createTally } from '../../../src/observe/log-tally.ts';
import { logRecord, refusal } from '../../support/log-lines.ts';
import type { Line } from '../../support/log-lines.ts';

function summaryOf(lines: readonly Line[], top = 10, steps = 10) {
  const summary = createSummary();
  for (const line of lines) summary.add(logRecord(line));
  return summary.result(top, steps);
}

describe('a summary', () => {
  it('counts exchanges by verdict, reason, client and target, and the bytes both ways', () => {
    const summary = summaryOf([
      { client: '10.0.0.4', bytesUp: 1, bytesDown: 20 },
      { client: '10.0.0.4', bytesUp: 2, bytesDown: 30 },
      refusal('x.example:443', { client: '10.0.0.5', bytesUp: 0, bytesDown: 4 }),
    ]);
    expect(summary).toMatchObject({
      exchanges: 3,
      bytesUp: 3,
      bytesDown: 54,
      verdicts: { allow: 2, deny: 1 },
      reasons: { not_on_allowlist: 1 },
      clients: [
        { name: '10.0.0.4', exchanges: 2, refused: 0, bytesUp: 3, bytesDown: 50 },
        { name: '10.0.0.5', exchanges: 1, refused: 1, bytesUp: 0, bytesDown: 4 },
      ],
      targets: [{ name: 'acct.blob.core.windows.net:443' }, { name: 'x.example:443' }],
      forgotten: 0,
    });
  });

  it('counts a tunnel once, not when it opens and again when it ends', () => {
    expect(summaryOf([{ event: 'tunnel-open' }, {}]).exchanges).toBe(1);
    expect(summaryOf([{ event: 'tunnel-open' }]).timeline).toBeNull();
  });

  it('counts the refusals that the log left out', () => {
    const outside: Line = { kind: 'connection', verdict: 'deny', reason: 'client_outside_network', target: null };
    const { exchanges, reasons } = summaryOf([outside, { ...outside, suppressed: 40 }]);
    expect({ exchanges, reasons }).toEqual({ exchanges: 42, reasons: { client_outside_network: 42 } });
  });

  it('names the slowest connects, the slowest first', () => {
    const lines = Array.from({ length: 30 }, (_, at) => ({ connectMs: (at * 7) % 30, client: `10.0.0.${at}` }));
    const { slowest } = summaryOf(lines);
    expect(slowest.map(({ connectMs }) => connectMs)).toEqual([29, 28, 27, 26, 25, 24, 23, 22, 21, 20]);
  });

  it('draws exchanges over time, in whatever order they come', () => {
    const at = (time: string): Line => ({ at: `2026-01-02T${time}Z` });
    const { timeline } = summaryOf([at('00:00:09'), at('00:00:00'), at('00:00:01'), at('00:00:09')]);
    expect(timeline).toEqual({
      startTime: Date.parse('2026-01-02T00:00:00Z'),
      stepMs: 1000,
      counts: [1, 1, 0, 0, 0, 0, 0, 0, 0, 2],
    });
  });

  it('draws a year without keeping its seconds', () => {
    const day = 86_400_000;
    const summary = createSummary();
    const record = logRecord();
    for (let at = 0; at < 20_000; at += 1) summary.add({ ...record, time: record.time + (at * 365 * day) / 20_000 });
    const { timeline } = summary.result(1, 10);
    expect(timeline?.counts.length).toBeLessThanOrEqual(10);
    expect(timeline?.counts.reduce((sum, count) => sum + count, 0)).toBe(20_000);
    expect(timeline?.startTime).toBeLessThanOrEqual(record.time);
    expect(record.time - (timeline?.startTime ?? 0)).toBeLessThan(day);
  });
});

describe('a tally', () => {
  it('keeps what comes often when there is no room for all', () => {
    const tally = createTally(() => ({ count: 0 }), 10);
    for (let at = 0; at < 1000; at += 1) {
      tally.at('often').count += 1;
      tally.at(`once ${at}`).count += 1;
    }
    const ranked = tally.ranked();
    expect(ranked[0]).toEqual(['often', { count: 1000 }]);
    expect(ranked.length).toBeLessThanOrEqual(10);
    expect(tally.forgotten).toBe(1000 - (ranked.length - 1));
  });

  it('ranks by count, equals by name', () => {
    const tally = createTally(() => ({ count: 0 }));
    for (const key of ['b', 'c', 'a', 'c']) tally.at(key).count += 1;
    expect(tally.ranked().map(([key]) => key)).toEqual(['c', 'a', 'b']);
  });
});
