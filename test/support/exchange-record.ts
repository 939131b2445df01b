/** An exchange that went well, to be changed where a test looks. */
import type { ExchangeRecord } from '../../src/proxy/exchange.ts';

/** A finished tunnel of 1 s to a storage account. */
export function exchangeRecord(changes: Partial<ExchangeRecord> = {}): ExchangeRecord {
  return {
    id: 'x-1',
    kind: 'tunnel',
    startTime: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    endTime: Date.UTC(2026, 0, 2, 3, 4, 6, 7),
    client: '10.0.0.4',
    clientPort: 50123,
    user: null,
    userAgent: null,
    method: 'CONNECT',
    target: 'acct.blob.core.windows.net:443',
    path: null,
    verdict: 'allow',
    reason: null,
    wouldDeny: null,
    authFailure: null,
    authScheme: null,
    authOffered: null,
    rule: 'azure-backup:12',
    ruleText: 'https://*.blob.core.windows.net',
    status: 200,
    address: '20.60.1.2:443',
    tlsServerName: 'acct.blob.core.windows.net',
    dnsMs: 3,
    connectMs: 8,
    durationMs: 1001,
    bytesUp: 1200,
    bytesDown: 98_000,
    endedBy: 'client',
    configHash: '0123456789ab',
    hint: null,
    ...changes,
  };
}
