/** For a refusal: the narrowest rule that would let the same question pass, or what else would. */
import { formatPrefix, hostPort } from '../address/ip.ts';
import type { JudgedAddress, Question, Refusal } from './decide.ts';

/** What to do about a refusal: a rule to add, and in words what else has to change. Both null: nothing may allow it. */
export interface Remedy {
  readonly rule: string | null;
  readonly advice: string;
}

/** Answers for every reason the decision can give. `judged` are the addresses seen, if it came that far. */
export function narrowestRemedy(question: Question, refusal: Refusal, judged: readonly JudgedAddress[]): Remedy {
  switch (refusal.reason) {
    case 'not_on_allowlist':
      return { rule: ruleFor(question), advice: 'add this rule to an allowlist file' };
    case 'address_outside_ranges': {
      const outside = judged.filter((entry) => entry.refusedFor === 'address_outside_ranges');
      return {
        rule: question.target.address ? ruleFor(question) : `${ruleFor(question)} within ${listOf(outside)}`,
        advice: 'no rule that matches the name or tag holds this address: refresh the ranges, or name the address',
      };
    }
    case 'address_private': {
      const closed = judged.filter((entry) => entry.refusedFor === 'address_private');
      const arePrivate = closed.every((entry) => entry.class === 'private');
      if (arePrivate && closed.length > 0) {
        return {
          rule: `${ruleFor(question)} within ${listOf(closed)}`,
          advice: 'add this rule, or name the prefix in privateDestinations',
        };
      }
      const prefixes = closed.map((entry) => `"${single(entry)}"`).join(', ');
      return { rule: null, advice: `name the address in the config: privateDestinations: [${prefixes}]` };
    }
    case 'denied_by_rule':
      return {
        rule: null,
        advice: refusal.rule
          ? `a deny always wins: take away or narrow "${refusal.rule.text}" at ${refusal.rule.file}:${refusal.rule.line}`
          : 'a deny always wins: take it away or narrow it',
      };
    case 'azure_platform_address':
      return { rule: null, advice: 'never through a proxy: set no_proxy=168.63.129.16,169.254.169.254 on the client' };
    case 'dns_failed':
      return {
        rule: null,
        advice: 'the rules allow the name, but it has no usable address: look it up on this machine',
      };
    default:
      return { rule: null, advice: 'no rule may allow this address' };
  }
}

/** The question itself as a rule in normal form: this host, this port, this kind, this path. */
export function ruleFor({ kind, target, path }: Question): string {
  const { host, port, address } = target;
  if (address) {
    const literal = address.family === 6 ? `[${address.text}]` : address.text;
    return port === 443 ? `ip:${literal}` : `ip:${literal}:${port}`;
  }
  if (kind === 'tunnel') {
    if (port === 443) return host;
    return port === 80 ? `https://${host}:80` : `${host}:${port}`;
  }
  const isAnyPath = path === null || path === '/' || path === '*';
  return `http://${port === 80 ? host : hostPort(host, port)}${isAnyPath ? '' : path}`;
}

function listOf(judged: readonly JudgedAddress[]): string {
  return judged.map((entry) => `ip:${single(entry)}`).join(',');
}

function single({ address }: JudgedAddress): string {
  return formatPrefix({ address, length: address.family === 4 ? 32 : 128 });
}
