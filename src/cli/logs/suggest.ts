/** `logs suggest`: rules to paste, each with who asked for it behind it. */
import { readFileSync } from 'node:fs';
import { readLists } from '../../config/lists.ts';
import { shippedLists } from '../../config/values.ts';
import { toAsciiJson } from '../../observe/escape.ts';
import type { Suggestion, Suggestions } from '../../observe/log-suggest.ts';
import { createSuggest } from '../../observe/log-suggest.ts';
import type { Rule } from '../../policy/rule.ts';
import { listFolder } from '../load-config.ts';
import type { LogsOptions } from './read.ts';
import { allowedMark, inspect, readRecords } from './read.ts';
import { plain, plural } from './terminal.ts';

const clientsShown = 3;

/** Gives 0. Standard output is an allowlist file. */
export async function runLogsSuggest(options: LogsOptions): Promise<number> {
  const counted = createSuggest(await shippedRules(options.config));
  const reading = await readRecords(options, (record) => counted.add(record), [allowedMark]);
  const suggestions = counted.result();
  if (options.json) options.out(toAsciiJson(`${JSON.stringify({ ...suggestions, reading })}\n`));
  else options.out(formatSuggestions(suggestions));
  return 0;
}

/** The rules of every list of this cloud, in use or not; a list that cannot be read widens nothing. */
async function shippedRules(config: string | null): Promise<readonly Rule[]> {
  const { cloud, groups } = (await inspect(config)).config;
  const lists = readLists(
    shippedLists,
    {
      readFile: (path) => readFileSync(path, 'utf8'),
      file: null,
      listFolder,
      cloud,
      groups,
      knownTags: () => null,
      usersConfigured: false,
    },
    () => {},
  );
  return lists.flatMap(({ parsed }) => parsed.rules);
}

function formatSuggestions({ rules, others, forgotten }: Suggestions): string {
  const width = rules.reduce((widest, { rule }) => Math.max(widest, Math.min(rule.length, 60)), 0);
  const lines = [
    rules.length === 0
      ? '# Nothing was refused that a rule would allow.'
      : '# What would have let pass what was refused; read each line before it goes into an allowlist file.',
    ...rules.map((suggestion) => `${suggestion.rule.padEnd(width)}  # ${commentOf(suggestion)}`),
    ...Object.entries(others).map(
      ([reason, count]) =>
        `# Not by a rule written here: ${count} for ${plain(reason)}; see lockdown-proxy logs denied.`,
    ),
    ...(forgotten > 0 ? [`# Too many targets to keep: ${plural(forgotten, 'refusal')} of the rarest left out.`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function commentOf({ count, clients, list }: Suggestion): string {
  const shown = clients.slice(0, clientsShown).map(plain).join(', ');
  const more = clients.length > clientsShown ? ` and ${clients.length - clientsShown} more` : '';
  const from = list === null ? '' : `; from the shipped list ${list}`;
  return `${plural(count, 'exchange')}, ${plural(clients.length, 'client')}: ${shown}${more}${from}`;
}
