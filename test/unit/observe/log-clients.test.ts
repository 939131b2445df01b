import { describe, expect, it } from 'vitest';
import { compareExpected, createClients, expectedText, parseExpectations } from '../../../src/observe/log-clients.ts';
import { logRecord, refusal } from '../../support/log-lines.ts';
import type { Line } from '../../support/log-lines.ts';

function seenOf(lines: readonly Line[]) {
  const clients = createClients();
  for (const line of lines) clients.add(logRecord(line));
  return clients.result().clients;
}

describe('the clients of a log', () => {
  it('have their exchanges, the last time, and the last time something was let through', () => {
    const seen = seenOf([
      { client: '10.0.0.4', at: '2026-01-02T00:00:01Z', userAgent: 'MARS' },
      refusal('x.example:443', { client: '10.0.0.4', at: '2026-01-02T00:00:02Z' }),
      refusal('x.example:443', { client: '10.0.0.5', at: '2026-01-02T00:00:03Z' }),
      { client: '10.0.0.6', at: '2026-01-02T00:00:04Z', event: 'tunnel-open' },
    ]);
    const at = (second: number) => Date.UTC(2026, 0, 2, 0, 0, second);
    expect(seen).toEqual([
      { client: '10.0.0.4', exchanges: 2, lastTime: at(2), lastAllowedTime: at(1), userAgent: 'MARS' },
      { client: '10.0.0.5', exchanges: 1, lastTime: at(3), lastAllowedTime: null, userAgent: null },
      { client: '10.0.0.6', exchanges: 0, lastTime: at(4), lastAllowedTime: at(4), userAgent: null },
    ]);
  });
});

describe('expected clients', () => {
  it('are read one a line, with a name before or behind, and headings left out', () => {
    const { clients, faults } = parseExpectations(
      '\ufeffname,ip\r\n\r\n# the SQL servers\r\nsql1,10.0.0.4\r\n10.0.0.5\r\n"web 2", 10.0.1.0/24 \r\n2001:db8::4,v6\r\nweb3\t10.0.0.7 # new\r\n',
    );
    expect(faults).toEqual([]);
    expect(clients.map((client) => [client.name, expectedText(client)])).toEqual([
      ['sql1', '10.0.0.4'],
      [null, '10.0.0.5'],
      ['web 2', '10.0.1.0/24'],
      ['v6', '2001:db8::4'],
      ['web3', '10.0.0.7'],
    ]);
  });

  it('are refused by the line where no address can be read', () => {
    const { clients, faults } = parseExpectations('10.0.0.4\nsql1,10.0.0.400\nsql2\nnet,10.0.0.4/24\n');
    expect(clients).toHaveLength(1);
    expect(faults).toEqual([
      expect.stringMatching(/^2: no address; write/),
      expect.stringMatching(/^3: no address; write/),
      expect.stringMatching(/^4: Host bits are set, write 10\.0\.0\.0\/24/),
    ]);
  });

  it('are seen if they came, and a prefix if any of it came', () => {
    const { clients } = parseExpectations('10.0.0.4\n10.0.0.5\n10.0.1.0/24\n10.0.2.0/24\n');
    const seen = seenOf([
      { client: '10.0.0.4' },
      { client: '10.0.1.7', at: '2026-01-02T00:00:01Z' },
      { client: '10.0.1.9', at: '2026-01-02T00:00:02Z' },
      { client: '10.0.0.50' },
    ]);
    expect(
      compareExpected(clients, seen).map((entry) => [expectedText(entry), entry.seen.map(({ client }) => client)]),
    ).toEqual([
      ['10.0.0.4', ['10.0.0.4']],
      ['10.0.0.5', []],
      ['10.0.1.0/24', ['10.0.1.9', '10.0.1.7']],
      ['10.0.2.0/24', []],
    ]);
  });
});
