/** The health listener: whom it admits, its one word, and the PAC file under the name that was asked. */
import { expect, test } from 'vitest';
import { isAdmitted } from '../../src/observe/health-server.ts';
import { startProxy } from '../support/proxy.ts';
import { connectRaw, parseMessage } from '../support/raw-client.ts';

test('clients of the proxy get a PAC file that names the proxy as they found it', async () => {
  await using proxy = await startProxy({ config: 'health: { listen: "127.0.0.1:0" }', rules: ['www.example.com'] });
  await using wire = await connectRaw(proxy.app.health!.port);
  await wire.write('GET /proxy.pac HTTP/1.1\r\nHost: Egress.corp.example:8080\r\nConnection: close\r\n\r\n');
  const { status, fields, rest } = parseMessage((await wire.all()).toString('latin1'));
  expect(status).toBe(200);
  expect(fields.get('content-type')).toBe('application/x-ns-proxy-autoconfig');
  expect(rest).toContain(`return "PROXY egress.corp.example:${proxy.port}";`);
  expect(rest).toContain('"www.example.com"');
});

test('who is not in networks is closed without a word', async () => {
  const config = 'health: { listen: "127.0.0.1:0" }\nnetworks: ["127.0.0.2"]';
  await using proxy = await startProxy({ config });
  const talk = async (localAddress: string): Promise<string> => {
    await using wire = await connectRaw(proxy.app.health!.port, { localAddress });
    await wire.write('GET /healthz HTTP/1.0\r\n\r\n').catch(() => undefined);
    return (await wire.all().catch(() => Buffer.alloc(0))).toString('latin1');
  };
  expect(await talk('127.0.0.2')).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok\n$/);
  expect(await talk('127.0.0.1')).toBe('');
});

test.each([
  ['168.63.129.16', true],
  ['::ffff:168.63.129.16', true],
  ['127.0.0.1', true],
  ['203.0.113.9', false],
  ['', false],
])('the probe of the platform is admitted beside networks: %s %s', async (address, admitted) => {
  await using proxy = await startProxy();
  expect(isAdmitted(address, proxy.app.snapshot())).toBe(admitted);
});
