/** Whether a rule applies to a question: port and kind, path, client and user. Its pattern is the index's work. */
import { normalisePath } from '../message/request-target.ts';
import type { Question } from './decide.ts';
import type { Rule } from './rule.ts';
import { coversPort } from './rule-index.ts';

/** Whether a rule applies to this question, as far as it can be told without addresses. */
export function fits(rule: Rule, question: Question): boolean {
  return (
    coversPort(rule, question.kind, question.target.port) && fitsPath(rule, question.path) && fitsClient(rule, question)
  );
}

/** Whether a rule would apply if the request had another kind or path: what may be looked up in report mode. */
export function fitsSomeKind(rule: Rule, question: Question): boolean {
  const { port } = question.target;
  return (coversPort(rule, 'tunnel', port) || coversPort(rule, 'forward', port)) && fitsClient(rule, question);
}

function fitsClient(rule: Rule, question: Question): boolean {
  if (rule.from && !rule.from.has(question.client)) return false;
  return rule.users === null || (question.user !== null && rule.users.includes(question.user));
}

/**
 * A destination may read a path as sent or in normal form, so an allow must match both and a deny either. `*` asks
 * about the whole server, which its root stands for.
 */
function fitsPath(rule: Rule, path: string | null): boolean {
  const wanted = rule.path;
  if (wanted === null || path === null) return wanted === null;
  const matches = (sent: string) => (wanted.prefix ? sent.startsWith(wanted.text) : sent === wanted.text);
  const normal = path === '*' ? '/' : normalisePath(path);
  return rule.deny ? matches(path) || matches(normal) : matches(path) && matches(normal);
}
