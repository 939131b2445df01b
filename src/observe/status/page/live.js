/** The open tunnels: sorted by any column, narrowed by a word. */
import { fillTable, say } from './tables.js';
import { bytes, count, duration, rate } from './words.js';

const $ = (id) => document.getElementById(id);
const orders = {
  client: ({ client }) => client,
  target: ({ target }) => target ?? '',
  rule: ({ ruleText }) => ruleText ?? '',
  age: ({ startMs }) => -startMs,
  rate: (tunnel) => tunnel.rate ?? 0,
  up: ({ bytesUp }) => bytesUp,
  down: ({ bytesDown }) => bytesDown,
};

/** The table; gives what shows a view, for which the one before it tells how much flows now. */
export function createLiveTable() {
  let sort = { by: 'rate', descending: true };
  let shown = null;

  function show(view, before) {
    shown = [view, before];
    const seconds = before ? (view.nowMs - before.nowMs) / 1000 : 0;
    const known = new Map(before?.tunnels.map((tunnel) => [tunnel.id, tunnel.bytesUp + tunnel.bytesDown]));
    const wanted = $('filter').value.trim().toLowerCase();
    const read = orders[sort.by];
    const rows = view.tunnels
      .map((tunnel) => {
        const had = known.get(tunnel.id);
        const size = tunnel.bytesUp + tunnel.bytesDown;
        return { ...tunnel, rate: had === undefined || seconds <= 0 ? null : (size - had) / seconds };
      })
      .filter((tunnel) =>
        [tunnel.client, tunnel.target, tunnel.user, tunnel.ruleText, tunnel.address, tunnel.userAgent].some((text) =>
          text?.toLowerCase().includes(wanted),
        ),
      )
      .sort((a, b) => {
        const [x, y] = [read(a), read(b)];
        const order = x < y ? -1 : x > y ? 1 : a.id < b.id ? -1 : 1;
        return sort.descending ? -order : order;
      });
    const all = view.totals.tunnels;
    const part = rows.length === all ? '' : `${count(rows.length)} of `;
    say($('tunnels-count'), `${part}${count(all)}`);
    $('live').hidden = rows.length === 0;
    $('live-empty').hidden = rows.length > 0;
    say($('live-empty'), all === 0 ? 'No tunnel is open.' : 'No open tunnel matches.');
    fillTable($('live'), rows, ({ id }) => id, [
      {
        kind: 'name',
        parts: ({ client, user, userAgent }) => [
          ['span', '', client],
          ['small', '', [user, userAgent].filter(Boolean).join(', ') || 'no user agent'],
        ],
      },
      {
        kind: 'name',
        parts: ({ target, address }) => [
          ['span', '', target ?? '–'],
          ['small', '', address === null || address === target ? '' : address],
        ],
      },
      {
        kind: 'name',
        parts: ({ ruleText, rule }) => [
          ['span', '', ruleText ?? '–'],
          ['small', '', rule ?? ''],
        ],
      },
      { kind: 'num', text: ({ startMs }) => duration(view.nowMs - startMs) },
      { kind: 'num', text: (tunnel) => (tunnel.rate === null ? '–' : rate(tunnel.rate)) },
      { kind: 'num', text: ({ bytesUp }) => bytes(bytesUp) },
      { kind: 'num', text: ({ bytesDown }) => bytes(bytesDown) },
    ]);
    for (const button of document.querySelectorAll('[data-sort]')) {
      const th = button.closest('th');
      if (button.dataset.sort === sort.by) th.setAttribute('aria-sort', sort.descending ? 'descending' : 'ascending');
      else th.removeAttribute('aria-sort');
    }
  }

  for (const button of document.querySelectorAll('[data-sort]')) {
    button.addEventListener('click', () => {
      const by = button.dataset.sort;
      sort = { by, descending: sort.by === by ? !sort.descending : !['client', 'target', 'rule'].includes(by) };
      if (shown) show(...shown);
    });
  }
  $('filter').addEventListener('input', () => shown && show(...shown));

  return show;
}
