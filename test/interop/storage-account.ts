/** Azurite as one storage account on 443, under a certificate and a hosts entry of the test's own. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createAuthority, createCertificate } from '../support/certificates.ts';
import { createTempFolder } from '../support/temp-folder.ts';
import { start } from './child.ts';
import { addHostsEntry } from './hosts-entry.ts';

export interface StorageAccount extends AsyncDisposable {
  /** The loopback address that serves it; the proxy under test listens on another one. */
  readonly address: string;
  readonly host: string;
  readonly account: string;
  readonly key: string;
  /** PEM file of the authority that clients trust. */
  readonly caFile: string;
  /** What plain http on port 80 answers to every GET. */
  readonly plainBody: string;
  /** Request lines that reached plain http. */
  readonly plainRequests: readonly string[];
}

const address = '127.0.0.2';
const account = 'devaccount';
const host = `${account}.blob.core.windows.net`;
const azurite = fileURLToPath(new URL('node_modules/azurite/dist/src/blob/main.js', import.meta.url));

/** Plain http beside it, as an agent meets it that fetches a blob by a signed `http://` URL. */
async function startPlainServer(body: string, requests: string[]): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} Host: ${request.headers.host}`);
    response.end(body);
  });
  server.listen(80, address);
  await once(server, 'listening');
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Starts everything that answers for the account; needs root for ports 80 and 443 and the hosts file. */
export async function startStorageAccount(): Promise<StorageAccount> {
  await using owned = new AsyncDisposableStack();
  const folder = owned.use(createTempFolder());
  const authority = await createAuthority();
  const leaf = await createCertificate(authority, [host]);
  const key = createHash('sha256').update(folder.path).digest('base64');
  const plainRequests: string[] = [];
  const plainBody = 'plain http blob\n';

  owned.use(addHostsEntry(address, [host]));
  owned.use(await startPlainServer(plainBody, plainRequests));
  const cert = folder.write('server.pem', leaf.cert);
  const certKey = folder.write('server.key', leaf.key);
  const settings = { blobHost: address, blobPort: '443', location: folder.path, cert, key: certKey };
  const argv = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const server = start(process.execPath, [azurite, ...argv, '--skipApiVersionCheck', '--disableTelemetry'], {
    AZURITE_ACCOUNTS: `${account}:${key}`,
  });
  owned.defer(async () => {
    await server.stop();
  });
  await server.printed('successfully listens');

  const kept = owned.move();
  return {
    address,
    host,
    account,
    key,
    plainBody,
    plainRequests,
    caFile: folder.write('authority.pem', authority.cert),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
