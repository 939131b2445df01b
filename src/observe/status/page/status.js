/** The status page: follows the events of the proxy and shows what they say. */
import { createChart } from './chart.js';
import { createLiveTable } from './live.js';
import { showNotices, showState, showTiles } from './now.js';
import { showAuth, showRefusals } from './refused.js';
import { showConfig, showOutcomes, showRanges, showWorkers } from './standing.js';
import { say } from './tables.js';
import { clock, count, rate } from './words.js';

const $ = (id) => document.getElementById(id);
const hourMs = 3_600_000;
const stepSeconds = 5;

function start() {
  const history = new Map();
  const showTunnels = createLiveTable();
  let last = null;
  let before = null;

  const throughput = createChart(
    $('chart-throughput'),
    $('legend-throughput'),
    [
      { label: 'To clients', colour: 'accent', value: ({ down }) => down / stepSeconds, format: rate },
      { label: 'From clients', colour: 'second', value: ({ up }) => up / stepSeconds, format: rate },
    ],
    { format: rate, fill: true },
  );
  const activity = createChart(
    $('chart-activity'),
    $('legend-activity'),
    [
      { label: 'Open tunnels', colour: 'accent', value: ({ open }) => open, format: count },
      { label: 'Let through', colour: 'good', value: ({ allowed }) => allowed, format: (n) => `${count(n)} in 5 s` },
      { label: 'Refused', colour: 'bad', value: ({ refused }) => refused, format: (n) => `${count(n)} in 5 s` },
      { label: 'Failed', colour: 'warn', value: ({ failed }) => failed, format: (n) => `${count(n)} in 5 s` },
    ],
    { format: count, fill: false },
  );

  function show(view) {
    for (const point of view.history) history.set(point.atMs, point);
    for (const atMs of history.keys()) if (atMs < view.nowMs - hourMs) history.delete(atMs);
    const points = [...history.values()].sort((a, b) => a.atMs - b.atMs);
    const seconds = before ? (view.nowMs - before.nowMs) / 1000 : 0;
    const flow = (key) => (seconds > 0 ? (view.totals[key] - before.totals[key]) / seconds : null);

    showState(view);
    showNotices(view);
    showTiles(view, points, flow);
    throughput.show(points);
    activity.show(points);
    showRefusals(view);
    showAuth(view);
    showOutcomes(view);
    showConfig(view);
    showRanges(view);
    showWorkers(view);
    showTunnels(view, before);
  }

  function follow() {
    const events = new EventSource('/status/events');
    events.addEventListener('message', ({ data }) => {
      const view = JSON.parse(data);
      // What a restarted proxy counts began anew.
      if (last && view.sinceMs !== last.sinceMs) last = null;
      if (last && view.nowMs <= last.nowMs) return;
      document.body.classList.remove('stale');
      before = last;
      last = view;
      show(view);
    });
    events.addEventListener('error', () => {
      document.body.classList.add('stale');
      const since = last ? `, last heard at ${clock(last.nowMs)}` : '';
      say($('state'), `No connection to the proxy${since}`);
      $('state').className = 'pill bad';
      // A refusal ends the stream for good, and the proxy may be back in a moment.
      if (events.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
    });
  }
  follow();
}

start();
