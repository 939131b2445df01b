/** Plain http requests as a client and a destination see them. */
import { expect, test } from 'vitest';
import { answerWith, createDestination } from '../support/destination.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw } from '../support/raw-client.ts';

test('a request arrives in origin-form with Host from the URL, and its answer comes back', async () => {
  await using destination = await createDestination(
    answerWith('HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-Kept: 1\r\n\r\nok'),
  );
  await using proxy = await startProxy({
    config: 'privateDestinations: ["127.0.0.0/8"]',
    rules: [`ip:127.0.0.1:${destination.port}`],
  });
  await using client = await connectRaw(proxy.port);
  await client.write(
    `GET http://127.0.0.1:${destination.port}/a//b?sig=secret HTTP/1.1\r\nHost: lies\r\nConnection: close\r\n\r\n`,
  );
  const answer = (await client.all()).toString();
  expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  expect(answer).toContain('X-Kept: 1\r\n');
  expect(answer.endsWith('\r\n\r\nok')).toBe(true);
  const sent = destination.received.toString();
  expect(sent).toMatch(/^GET \/a\/\/b\?sig=secret HTTP\/1.1\r\n/);
  expect(sent).toContain(`Host: 127.0.0.1:${destination.port}\r\n`);
  expect(sent).not.toContain('lies');
  expect(await proxy.record()).toMatchObject({
    kind: 'forward',
    verdict: 'allow',
    status: 200,
    path: '/a//b',
    method: 'GET',
  });
  expect(JSON.stringify(proxy.records)).not.toContain('secret');
});
