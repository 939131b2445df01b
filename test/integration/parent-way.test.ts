/** Which way a target goes where there is a parent proxy, and what is looked up here for it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Destination } from '../support/destination.ts';
import { createDestination, stuck } from '../support/destination.ts';
import type { DnsServer } from '../support/dns-server.ts';
import { createDnsServer } from '../support/dns-server.ts';
import { answerHead, createParent } from '../support/parent.ts';
import { startProxy } from '../support/proxy.ts';
import { openTunnel } from '../support/tunnel.ts';

let dns: DnsServer;
let direct: Destination;
beforeAll(async () => {
  dns = await createDnsServer();
  direct = await createDestination(stuck);
  const zone: Readonly<Record<string, string>> = {
    'far.test': '20.1.2.3',
    'out.test': '20.9.9.9',
    'private.test': '10.1.2.3',
    'meta.test': '169.254.169.254',
    'near.test': '127.0.0.1',
    'a.near.test': '127.0.0.1',
  };
  for (const [name, address] of Object.entries(zone)) dns.set(name, 'A', [address]);
});
afterAll(async () => {
  await dns.close();
  await direct.close();
});

interface Case {
  readonly rules: readonly string[];
  /** Keys beside `proxy` in `upstream`. */
  readonly upstream?: string;
  readonly config?: string;
  /** `PORT` stands for that of a destination on 127.0.0.1. */
  readonly target: string;
}

/** Opens one tunnel through a proxy with a parent that lets everything through, and says what became of it. */
async function way({ rules, upstream = '', config = '', target }: Case) {
  await using parent = await createParent(answerHead('HTTP/1.1 200 OK\r\n\r\n'));
  const port = String(direct.port);
  const queriesBefore = dns.queries.length;
  const directBefore = direct.connections.length;
  await using proxy = await startProxy({
    config: `tlsServerName: off\nprivateDestinations: ["127.0.0.0/8"]\nupstream: { proxy: "http://127.0.0.1:${parent.port}"${upstream} }\n${config}`,
    rules: rules.map((rule) => rule.replace('PORT', port)),
    resolver: { servers: [dns.server], hostsFile: '/nonexistent' },
  });
  await using tunnel = await openTunnel(proxy.port, target.replace('PORT', port));
  const asked = parent.connections.map(({ text }) => /^CONNECT (\S+)/.exec(text)?.[1]?.replace(port, 'PORT'));
  tunnel.wire.reset();
  const { address, verdict, reason, wouldDeny, ruleText } = await proxy.record();
  return {
    status: tunnel.status,
    asked,
    lookedUp: new Set(dns.queries.slice(queriesBefore).map(({ name }) => name)).size,
    directly: direct.connections.length - directBefore,
    address: address?.replace(port, 'PORT') ?? null,
    verdict,
    reason,
    wouldDeny,
    ruleText: ruleText?.replace(port, 'PORT') ?? null,
  };
}

const byName = { status: 200, lookedUp: 0, directly: 0, address: 'parent', verdict: 'allow' };
const byAddress = { status: 200, lookedUp: 1, directly: 0, verdict: 'allow' };

describe('a host goes to the parent by its name, without a look-up here,', () => {
  it.each<[string, Case, object]>([
    [
      'under a rule that names it',
      { rules: ['far.test'], target: 'far.test:443' },
      { asked: ['far.test:443'], ruleText: 'far.test' },
    ],
    [
      'that nobody here could look up',
      { rules: ['*.gone.test'], target: 'x.gone.test:443' },
      { asked: ['x.gone.test:443'] },
    ],
    [
      'where one of its rules asks for no address',
      { rules: ['far.test within ip:20.9.0.0/16', 'far.test', 'far.test tls off'], target: 'far.test:443' },
      { asked: ['far.test:443'], ruleText: 'far.test tls off' },
    ],
    [
      'beside address rules that do not fit',
      { rules: ['far.test', 'deny ip:20.1.2.3 from 10.0.0.0/8'], target: 'far.test:443' },
      { asked: ['far.test:443'] },
    ],
    [
      'and by a rule with a name beside one with addresses',
      {
        rules: ['far.test', 'ip:20.0.0.0/8'],
        config: 'ranges: { resolveNames: ["far.test"] }',
        target: 'far.test:443',
      },
      { asked: ['far.test:443'], ruleText: 'far.test' },
    ],
    [
      'in report mode too, where the rule near it would have',
      { rules: ['http://far.test:80'], config: 'mode: report', target: 'far.test:80' },
      { asked: ['far.test:80'], verdict: 'would_deny', wouldDeny: 'not_on_allowlist' },
    ],
  ])('%s', async (_name, asked, expected) => {
    expect(await way(asked)).toMatchObject({ ...byName, ...expected });
  });
});

describe('a host is looked up and judged here, and the parent gets the address,', () => {
  it.each<[string, Case]>([
    ['under a rule with within', { rules: ['far.test within ip:20.1.0.0/16'], target: 'far.test:443' }],
    [
      'under a rule for addresses',
      { rules: ['ip:20.1.0.0/16'], config: 'ranges: { resolveNames: ["far.test"] }', target: 'far.test:443' },
    ],
    ['beside a deny of addresses', { rules: ['far.test', 'deny ip:20.1.9.0/24'], target: 'far.test:443' }],
    ['beside a deny of a tag', { rules: ['far.test', 'deny tag:Storage'], target: 'far.test:443' }],
    [
      'beside a deny of its name within addresses',
      { rules: ['far.test', 'deny far.test within ip:20.9.0.0/16'], target: 'far.test:443' },
    ],
    [
      'always, where the configuration says so',
      { rules: ['far.test'], upstream: ', resolve: always', target: 'far.test:443' },
    ],
  ])('%s', async (_name, asked) => {
    expect(await way(asked)).toMatchObject({ ...byAddress, asked: ['20.1.2.3:443'], address: '20.1.2.3:443' });
  });

  it.each<[string, Case, string]>([
    [
      'an address outside the rule',
      { rules: ['out.test within ip:20.1.0.0/16'], target: 'out.test:443' },
      'address_outside_ranges',
    ],
    ['a denied address', { rules: ['far.test', 'deny ip:20.1.2.0/24'], target: 'far.test:443' }, 'denied_by_rule'],
    [
      'a private address',
      { rules: ['private.test'], upstream: ', resolve: always', target: 'private.test:443' },
      'address_private',
    ],
    [
      'instance metadata',
      { rules: ['meta.test'], upstream: ', resolve: always', target: 'meta.test:443' },
      'azure_platform_address',
    ],
    ['no address', { rules: ['gone.test'], upstream: ', resolve: always', target: 'gone.test:443' }, 'dns_failed'],
  ])('and %s goes nowhere', async (_name, asked, reason) => {
    expect(await way(asked)).toMatchObject({ asked: [], directly: 0, reason });
  });
});

describe('around the parent goes', () => {
  const upstream = ', direct: [near.test, "127.0.0.0/8"]';

  it.each<[string, Case]>([
    ['a name', { rules: ['near.test:PORT'], upstream: ', direct: [near.test]', target: 'near.test:PORT' }],
    [
      'what lies under it',
      { rules: ['*.near.test:PORT'], upstream: ', direct: ["*.near.test"]', target: 'a.near.test:PORT' },
    ],
    ['an address in a prefix', { rules: ['ip:127.0.0.0/8:PORT'], upstream, target: '127.0.0.1:PORT' }],
    [
      'a host that was looked up for another reason and lies in a prefix',
      {
        rules: ['near.test:PORT within ip:127.0.0.0/8'],
        upstream: ', direct: ["127.0.0.0/8"]',
        target: 'near.test:PORT',
      },
    ],
  ])('%s', async (_name, asked) => {
    expect(await way(asked)).toMatchObject({ status: 200, asked: [], directly: 1, address: '127.0.0.1:PORT' });
  });

  it('no name that only ends the same', async () => {
    const asked = { rules: ['farnear.test'], upstream, target: 'farnear.test:443' };
    expect(await way(asked)).toMatchObject({ ...byName, asked: ['farnear.test:443'] });
  });

  it('nothing that is refused', async () => {
    const asked = { rules: ['near.test'], upstream, target: 'near.test:PORT' };
    expect(await way(asked)).toMatchObject({
      status: 403,
      asked: [],
      directly: 0,
      lookedUp: 0,
      reason: 'not_on_allowlist',
    });
  });
});
