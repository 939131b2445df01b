/**
 * What the decision alone costs: `node test/bench/decision.ts` judges questions of every kind, target and addresses,
 * under 10 rules over 100 prefixes, and under 10,000 rules over 100,000 prefixes. No look-up, no connection.
 */
import process from 'node:process';

import type { Address } from '../../src/address/ip.ts';
import { decideTarget, judgeAddresses } from '../../src/policy/decide.ts';
import type { Question } from '../../src/policy/decide.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { address, ask, machineOf, policyOf, wordOf } from '../support/policy.ts';

/** Where they stand, so that a worse figure is seen as such: the larger policy's, and its ratio to the smaller's. */
const bounds = { medianUs: 5, ratio: 2 };
const batches = 400;
const warmUp = 100;
const perBatch = 256;

/** One thing that is asked again and again, under both policies with the same answer. */
interface Case {
  readonly name: string;
  readonly answer: string;
  /** The question about the `at`-th rule of its kind. */
  readonly about: (at: number) => Question;
  readonly addresses: (at: number) => readonly Address[];
}

const publicAddress = (at: number): Address => address(`20.33.112.${at % 256}`);

const cases: readonly Case[] = [
  {
    name: 'a name that a rule holds',
    answer: 'allow',
    about: (at) => ask(`account${at}.blob.core.windows.net:443`),
    addresses: (at) => [publicAddress(at)],
  },
  {
    name: 'a name under a wildcard',
    answer: 'allow',
    about: (at) => ask(`node${at}.pool${at}.backup.windowsazure.com:443`),
    addresses: (at) => [publicAddress(at), publicAddress(at + 1)],
  },
  {
    name: 'a path of plain http',
    answer: 'allow',
    about: (at) => ask(`http://mirror${at}.example.net/pool/file`),
    addresses: (at) => [publicAddress(at)],
  },
  {
    name: 'a name that a tag admits by its address',
    answer: 'allow',
    about: (at) => ask(`other${at}.vault.azure.net:443`),
    addresses: (at) => [address(hostIn(networkOf(at * 4)))],
  },
  {
    name: 'an address within a tag',
    answer: 'allow',
    about: (at) => ask(`${hostIn(networkOf(at * 4))}:443`),
    addresses: (at) => [address(hostIn(networkOf(at * 4)))],
  },
  {
    name: 'a name that a deny takes out',
    answer: 'denied_by_rule',
    about: (at) => ask(`bad${at}.pool${at}.backup.windowsazure.com:443`),
    addresses: () => [],
  },
  {
    name: 'a name that no rule knows',
    answer: 'not_on_allowlist',
    about: (at) => ask(`www${at}.example.org:443`),
    addresses: () => [],
  },
];

/** The `at`-th prefix of the ranges: every fourth /26 begins at a whole /24, three of four are IPv4. */
function networkOf(at: number): string {
  if (at % 4 === 3) return `2603:${(0x1000 + (at >> 12)).toString(16)}:${(at & 0xfff).toString(16)}::/48`;
  const block = Math.floor(at / 4);
  return `${20 + (block >> 16)}.${(block >> 8) & 255}.${block & 255}.${(at % 4) * 64}/26`;
}

/** The second address of a network that `networkOf` made at the start of a /24. */
function hostIn(network: string): string {
  return network.replace(/0\/26$/, '1');
}

/** Every kind of rule in equal parts beside the one that names the tag. */
function policyOfSize(rules: number, prefixCount: number): Policy {
  const each = Math.floor((rules - 2) / 4);
  const lines = Array.from({ length: each }, (_, at) => [
    `account${at}.blob.core.windows.net`,
    `*.pool${at}.backup.windowsazure.com`,
    `http://mirror${at}.example.net/pool/*`,
    `deny bad${at}.pool${at}.backup.windowsazure.com`,
  ]).flat();
  return policyOf(['tag:AzureCloud:443', 'ntp.example.net:123', ...lines], {
    tags: { azurecloud: Array.from({ length: prefixCount }, (_, at) => networkOf(at)) },
  });
}

/** Microseconds a decision: the median over batches, since one alone is near the clock's step. */
function timeCase(policy: Policy, { answer, about, addresses, name }: Case, held: number): number {
  const machine = machineOf(['10.0.0.4'], ['10.0.0.4 3128']);
  const asked = Array.from({ length: perBatch }, (_, at) => {
    const spread = Math.floor((at * held) / perBatch);
    return { question: about(spread), addresses: addresses(spread) };
  });
  let word = '';
  const times = Array.from({ length: batches }, () => {
    const start = process.hrtime.bigint();
    for (const one of asked) {
      const pending = decideTarget(policy, one.question);
      word = wordOf(
        pending.verdict === 'refuse' ? pending : judgeAddresses(policy, one.question, pending, one.addresses, machine),
      );
    }
    return Number(process.hrtime.bigint() - start) / asked.length / 1000;
  });
  if (word !== answer) throw new Error(`${name}: ${word}, not ${answer}`);
  return median(times.slice(warmUp));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const small = { rules: 10, prefixes: 100, policy: policyOfSize(10, 100) };
const large = { rules: 10_000, prefixes: 100_000, policy: policyOfSize(10_000, 100_000) };
say(`microseconds a decision, medians of ${batches - warmUp} batches`);
say(`${' '.repeat(42)}10 rules, 100 prefixes   10,000 rules, 100,000 prefixes   ratio`);
const rows = cases.map((one) => {
  const less = timeCase(small.policy, one, 2);
  const more = timeCase(large.policy, one, 2499);
  say(
    `${one.name.padEnd(42)}${less.toFixed(2).padStart(22)}${more.toFixed(2).padStart(33)}${(more / less).toFixed(2).padStart(8)}`,
  );
  return { less, more };
});
const less = median(rows.map((row) => row.less));
const more = median(rows.map((row) => row.more));
say(
  `the median of all: ${more.toFixed(2)} us (bound ${bounds.medianUs}), ${(more / less).toFixed(2)} times that of 10 rules (bound ${bounds.ratio})`,
);
