import { utimesSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openLogFiles, streamSource } from '../../../src/observe/log-files.ts';
import type { FilterOptions } from '../../../src/observe/log-filter.ts';
import { createLogFilter } from '../../../src/observe/log-filter.ts';
import type { LogRecord } from '../../../src/observe/log-record.ts';
import { readLogs } from '../../../src/observe/log-reader.ts';
import { squidLine } from '../../../src/observe/squid-line.ts';
import { exchangeOf, jsonLine, refusal } from '../../support/log-lines.ts';
import { createTempFolder } from '../../support/temp-folder.ts';

async function read(files: readonly string[], options: Partial<FilterOptions> = {}) {
  const nothing = { since: null, client: null, target: null, reason: null, verdict: null };
  const filter = createLogFilter({ ...nothing, ...options }, Date.parse('2026-01-03T00:00:00Z'));
  if (!filter.ok) throw new TypeError(filter.message);
  const records: LogRecord[] = [];
  const onRecord = (record: LogRecord) => void records.push(record);
  const reading = await readLogs(await openLogFiles(files), { filter: filter.value, onRecord });
  return { ...reading, records, clients: records.map(({ client }) => client) };
}

describe('reading logs', () => {
  it('takes JSON, squid lines and the service log from one file, and counts what is none of them with its place', async () => {
    using folder = createTempFolder();
    const file = folder.write(
      'access.log',
      [
        jsonLine({ client: '10.0.0.1' }),
        squidLine(exchangeOf({ client: '10.0.0.2' })),
        '{"level":"info","time":"2026-01-02T03:04:05.000Z","event":"started"}\n',
        '\n',
        'garbage\n',
        '{"level":"info","time":\n',
        jsonLine({ client: '10.0.0.3' }),
      ].join(''),
    );
    const { clients, bad, firstBad, broken } = await read([file]);
    expect(clients).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
    expect({ bad, firstBad, broken }).toEqual({ bad: 2, firstBad: `${file}:5`, broken: [] });
  });

  it('goes through files in the order given', async () => {
    using folder = createTempFolder();
    const older = folder.write('access.log.2.gz', gzipSync(jsonLine({ client: '10.0.0.1' })));
    const newer = folder.write('access.log', jsonLine({ client: '10.0.0.2' }));
    expect((await read([older, newer])).clients).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it('keeps what a packed file held before it was cut, says so, and goes on with the next', async () => {
    using folder = createTempFolder();
    // Lines that pack badly, so that a cut file still holds some whole.
    const lines = Array.from({ length: 4000 }, (_, at) => jsonLine({ id: `${Math.sin(at)}`, client: '10.0.0.1' }));
    const packed = gzipSync(lines.join(''));
    const cut = folder.write('access.log.2.gz', packed.subarray(0, packed.length / 2));
    const next = folder.write('access.log.1', jsonLine({ client: '10.0.0.2' }));
    const { clients, broken } = await read([cut, next]);
    expect(clients.at(-1)).toBe('10.0.0.2');
    expect(clients.length).toBeGreaterThan(100);
    expect(clients.length).toBeLessThan(4001);
    expect(broken).toEqual([expect.stringContaining('access.log.2.gz: ')]);
  });

  it.each([
    ['since', { since: '2026-01-02T03:00:00Z' }, ['10.0.0.2', '10.0.0.3']],
    ['of one client', { client: '10.0.0.3' }, ['10.0.0.3']],
    ['since, of one client', { since: '2026-01-02T03:00:00Z', client: '10.0.0.1' }, []],
  ])('leaves out what the filter does not want: %s, in both formats', async (_name, options, expected) => {
    using folder = createTempFolder();
    const lines = [
      { client: '10.0.0.1', at: '2026-01-02T02:59:59.999Z' },
      { client: '10.0.0.2', at: '2026-01-02T03:00:00Z' },
      { client: '10.0.0.3', at: '2026-01-02T03:00:01Z', userAgent: '"time":"1999-01-01T00:00:00.000Z"' },
    ];
    const json = folder.write('json.log', lines.map(jsonLine).join(''));
    const squid = folder.write('squid.log', lines.map((line) => squidLine(exchangeOf(line))).join(''));
    expect((await read([json], options)).clients).toEqual(expected);
    expect((await read([squid], options)).clients).toEqual(expected);
  });

  it('does not open a file that was written before the time asked for', async () => {
    using folder = createTempFolder();
    const old = folder.write('access.log.1', 'garbage that would be counted\n');
    const lastWritten = new Date('2026-01-01T00:00:00Z');
    utimesSync(old, lastWritten, lastWritten);
    expect((await read([old], { since: '2026-01-02' })).bad).toBe(0);
    expect((await read([old], { since: '2025-12-31' })).bad).toBe(1);
  });

  it('passes over lines that hold certain words as a field, and not those that hold them in a value', async () => {
    using folder = createTempFolder();
    const words = '"verdict":"allow"';
    const file = folder.write(
      'access.log',
      jsonLine({ client: '10.0.0.1' }) +
        jsonLine(refusal('x.example:443', { client: '10.0.0.2', userAgent: words, user: words, path: words })),
    );
    const clients: string[] = [];
    const reading = await readLogs(await openLogFiles([file]), {
      filter: { since: null, marker: null, passes: () => true },
      passOver: [words],
      onRecord: ({ client }) => void clients.push(client),
    });
    expect(clients).toEqual(['10.0.0.2']);
    expect(reading).toMatchObject({ records: 1, bad: 0 });
  });

  it('tells how far it is', async () => {
    const seen: number[] = [];
    using folder = createTempFolder();
    const file = folder.write('access.log', jsonLine().repeat(3000));
    const filter = { since: null, marker: null, passes: () => true };
    const onProgress = (_source: unknown, bytes: number) => void seen.push(bytes);
    await readLogs(await openLogFiles([file]), { filter, onRecord: () => {}, onProgress });
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.at(-1)).toBe(jsonLine().length * 3000);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  it('keeps what came from a stream that broke', async () => {
    const stream = Readable.from(
      (async function* () {
        yield Buffer.from(jsonLine({ client: '10.0.0.1' }));
        throw new Error('pipe broke');
      })(),
    );
    const clients: string[] = [];
    const filter = { since: null, marker: null, passes: () => true };
    const reading = await readLogs([streamSource('standard input', stream)], {
      filter,
      onRecord: ({ client }) => void clients.push(client),
    });
    expect(clients).toEqual(['10.0.0.1']);
    expect(reading.broken).toEqual(['standard input: pipe broke']);
  });
});
