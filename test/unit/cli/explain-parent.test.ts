/** What `explain` says where there is a parent proxy: the way that `serve` would take, and no look-up that it would not do. */
import { describe, expect, it } from 'vitest';
import { formatExplanation } from '../../../src/cli/explain-text.ts';
import { explain } from '../../../src/cli/explain.ts';
import type { Explanation } from '../../../src/cli/explain.ts';
import { parseDirect, parseParent } from '../../../src/config/upstream.ts';
import { createParentProxy } from '../../../src/state/parent-proxy.ts';
import { address, machineOf, policyOf } from '../../support/policy.ts';

const rules = [
  'a.example.com',
  'http://a.example.com',
  'w.example.com within ip:20.1.0.0/16',
  'd.example.com',
  'ip:20.1.0.0/16',
];

function ask(
  target: string,
  options: { resolve?: 'needed' | 'always'; rules?: string[]; hasParent?: boolean } = {},
): Promise<Explanation> {
  const proxy = parseParent('http://10.0.0.9:3128');
  const direct = ['d.example.com', '20.1.9.0/24'].map(parseDirect).flatMap((entry) => (entry.ok ? [entry.value] : []));
  const upstream = {
    proxy: proxy.ok && options.hasParent !== false ? proxy.value : null,
    credentialsFile: null,
    direct,
    resolve: options.resolve ?? 'needed',
  } as const;
  return explain(
    { target, from: '10.1.1.1', user: null, resolve: null, method: null },
    {
      policy: policyOf([...rules, ...(options.rules ?? [])]),
      machine: machineOf(),
      parent: createParentProxy({ upstream, credential: null }),
      resolve: (host) => Promise.resolve([address(host.startsWith('far') ? '20.2.2.2' : '20.1.2.3')]),
    },
  );
}

describe('the way of a target', () => {
  it.each<[string, Parameters<typeof ask>[1], Partial<Explanation>]>([
    [
      'a.example.com:443',
      {},
      { way: 'parent_by_name', addresses: [], tlsServerName: 'a.example.com', ruleText: 'a.example.com' },
    ],
    ['http://a.example.com/x', {}, { way: 'parent_by_name', tlsServerName: null }],
    [
      'a.example.com:443',
      { resolve: 'always' },
      { way: 'parent', addresses: [expect.objectContaining({ address: '20.1.2.3' })] },
    ],
    ['a.example.com:443', { rules: ['deny ip:20.9.0.0/16'] }, { way: 'parent' }],
    ['w.example.com:443', {}, { way: 'parent' }],
    ['d.example.com:443', {}, { way: 'direct' }],
    ['20.1.2.3:443', {}, { way: 'parent' }],
    ['20.1.9.9:443', {}, { way: 'direct' }],
    ['a.example.com:443', { hasParent: false }, { way: null }],
    ['other.example.com:443', {}, { way: null, verdict: 'deny' }],
  ])('%s with %j', async (target, options, expected) => {
    expect(await ask(target, options)).toMatchObject({ verdict: 'allow', ...expected });
  });

  it('is told in words', async () => {
    expect(formatExplanation(await ask('a.example.com:443'))).toContain(
      '\n  way      to the parent proxy by its name, not looked up here\n',
    );
    expect(formatExplanation(await ask('a.example.com:443', { hasParent: false }))).not.toContain('  way');
  });
});
