/** A report on its way between threads: what arrives is what was sent. */
import { expect, test } from 'vitest';
import { parseRangesDocument } from '../../../src/policy/ranges/parse.ts';
import type { HeldRanges } from '../../../src/state/range-cache.ts';
import type { RangesReport } from '../../../src/state/ranges-offload.ts';
import { packReport, unpackReport } from '../../../src/state/ranges-pack.ts';
import { serviceTagsJson } from '../../support/ranges-publisher.ts';

function held(): HeldRanges {
  const tags = { Storage: ['20.60.0.0/16', '2603:1030::/40'], AzureBackup: [], Sql: ['20.61.0.0/16', '20.60.0.0/16'] };
  const parsed = parseRangesDocument(serviceTagsJson({ tags }));
  if (!parsed.ok) throw new Error(parsed.message);
  const about = { cloud: 'public', source: 'file', place: 'f', etag: null, fetchedAt: null } as const;
  return { document: parsed.value, provenance: { ...about, date: null, changeNumber: 1, sha256: 'x' } };
}

/** As `postMessage` would bring it. */
function send(report: RangesReport): RangesReport {
  const packed = packReport(report);
  const transfer = packed.tags === null ? [] : [packed.tags.words.buffer];
  return unpackReport(structuredClone(packed, { transfer }));
}

test('a whole document arrives with every tag, prefix and spelling', () => {
  const report: RangesReport = { kind: 'read', cached: { ok: true, value: held() } };
  expect(send(report)).toEqual(report);
});

test('what arrived can be sent on', () => {
  const report: RangesReport = { kind: 'read', cached: { ok: true, value: held() } };
  expect(structuredClone(send(report))).toEqual(report);
});

test.each<RangesReport>([
  { kind: 'read', cached: null },
  { kind: 'read', cached: { ok: false, message: 'half written' } },
])('a report without a document arrives as it is', (report) => {
  expect(send(report)).toEqual(report);
});
