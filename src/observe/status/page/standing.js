/** What changes seldom: outcomes since the start, the configuration, the ranges, the workers. */
import { element, fillTable, keep, say } from './tables.js';
import { ago, bytes, count, duration, verdicts, plain } from './words.js';

const $ = (id) => document.getElementById(id);

export function showOutcomes({ outcomes, sinceMs, nowMs }) {
  say($('since'), `since the start ${ago(nowMs - sinceMs)}`);
  const most = Math.max(1, ...outcomes.map((entry) => entry.count));
  $('outcomes-empty').hidden = outcomes.length > 0;
  keep(
    $('outcomes'),
    outcomes,
    (entry) => `${entry.verdict} ${entry.reason}`,
    (entry) =>
      element(
        'li',
        { class: entry.verdict },
        element('span'),
        element('b'),
        element('progress', { 'aria-hidden': 'true' }),
      ),
    (item, entry) => {
      const [name, value, bar] = item.children;
      say(name, entry.reason === null ? verdicts[entry.verdict] : `${verdicts[entry.verdict]}: ${plain(entry.reason)}`);
      say(value, count(entry.count));
      bar.max = most;
      bar.value = entry.count;
    },
  );
}

export function showConfig({ config, lastReload, nowMs }) {
  const outcome = { done: 'done', unchanged: 'nothing had changed', failed: 'FAILED' };
  const rules =
    lastReload?.result === 'done' ? `, ${lastReload.rulesAdded} rules added, ${lastReload.rulesRemoved} removed` : '';
  facts($('config'), [
    ['Generation', `${count(config.generation)}, ${config.hash}`],
    ['Mode', config.mode, config.mode === 'report' ? 'warn' : ''],
    ['Rules', `${count(config.rules)} from ${config.lists.join(', ') || 'no list'}`],
    lastReload
      ? [
          'Last reload',
          `${outcome[lastReload.result]} ${ago(nowMs - lastReload.atMs)} by ${lastReload.cause}${rules}`,
          lastReload.result === 'failed' ? 'bad' : '',
        ]
      : ['Last reload', 'none since the start'],
  ]);
}

export function showRanges({ ranges, nowMs }) {
  if (ranges === null || ranges.tags.length === 0)
    return facts($('ranges'), [['In use', 'no: no rule names a service tag']]);
  const refreshed = { true: 'succeeded', false: 'failed', null: 'none yet' }[String(ranges.lastRefreshSucceeded)];
  facts($('ranges'), [
    [
      'Age',
      ranges.freshMs === null ? 'unknown' : `${duration(nowMs - ranges.freshMs)}${ranges.isStale ? ', stale' : ''}`,
      ranges.isStale ? 'bad' : '',
    ],
    ['Document of', ranges.date ?? 'no date'],
    ['Source', ranges.source ?? 'none', ranges.source === null ? 'bad' : ''],
    ['Last refresh', refreshed, ranges.lastRefreshSucceeded === false ? 'bad' : ''],
  ]);
  keep(
    $('tags'),
    ranges.tags,
    ({ tag }) => tag,
    () => element('li'),
    (item, { tag, prefixes }) => {
      say(item, prefixes === 0 ? `${tag}: not in the ranges` : `${tag} ${count(prefixes)}`);
      item.className = prefixes === 0 ? 'none' : '';
    },
  );
}

export function showWorkers({ workers, nowMs }) {
  fillTable($('workers'), workers, ({ pid }) => String(pid), [
    { text: ({ pid }) => String(pid) },
    { kind: 'num', text: ({ tunnels }) => count(tunnels) },
    { kind: 'num', text: ({ cpu }) => (cpu === null ? '–' : `${Math.round(cpu * 100)} %`) },
    { kind: 'num', text: ({ rssBytes }) => bytes(rssBytes) },
    { kind: 'num', text: ({ startMs }) => duration(nowMs - startMs) },
  ]);
}

function facts(list, rows) {
  const entries = rows.flatMap(([name, value, kind = '']) => [
    { key: `${name} name`, tag: 'dt', text: name, kind: '' },
    { key: name, tag: 'dd', text: value, kind },
  ]);
  keep(
    list,
    entries,
    ({ key }) => key,
    ({ tag }) => element(tag),
    (item, { text, kind }) => {
      say(item, text);
      item.className = kind;
    },
  );
}
