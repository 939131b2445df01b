/**
 * Azure's own storage client: puts a blob that anyone may read and gets it again. The argument is one JSON object
 * {proxyPort (null: direct), username, password (for the proxy), account, key, url, blob, content (text, or a number of random bytes)}; prints
 * {bytes, sent, received}, the last two as SHA-256, or {error, status}.
 */
import { createHash, randomBytes } from 'node:crypto';
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';

const { proxyPort, username, password, account, key, url, blob: name, content } = JSON.parse(process.argv[2]);
const hash = (buffer) => createHash('sha256').update(buffer).digest('hex');

const service = new BlobServiceClient(url, new StorageSharedKeyCredential(account, key), {
  ...(proxyPort !== null && { proxyOptions: { host: 'http://127.0.0.1', port: proxyPort, username, password } }),
  retryOptions: { maxTries: 1 },
});
try {
  const container = service.getContainerClient('backups');
  await container.createIfNotExists({ access: 'blob' });
  const blob = container.getBlockBlobClient(name);
  const sent = typeof content === 'number' ? randomBytes(content) : Buffer.from(content);
  await blob.uploadData(sent, { blockSize: 8 * 1024 * 1024, concurrency: 4 });
  const received = await blob.downloadToBuffer(0, undefined, { blockSize: 8 * 1024 * 1024, concurrency: 4 });
  process.stdout.write(JSON.stringify({ bytes: received.length, sent: hash(sent), received: hash(received) }));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: error.message, status: error.statusCode ?? null }));
  process.exitCode = 1;
}
