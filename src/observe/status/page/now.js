/** The top of the page: how the proxy is, what needs attention, and the figures of this moment. */
import { element, keep, say, sayWithCode } from './tables.js';
import { bytes, count, duration, plain, rate } from './words.js';

const $ = (id) => document.getElementById(id);
const stepSeconds = 5;

export function showState({ readiness, config, version, sinceMs, nowMs }) {
  const { status, details } = readiness;
  const isTroubled = details.some((detail) => detail !== 'report_mode');
  const words = { ready: 'Serving', starting: 'Starting', draining: 'Draining' };
  const word = status === 'ready' && config.mode === 'report' ? 'Serving, report mode' : words[status];
  const state = $('state');
  say(state, status === 'ready' && isTroubled ? `${word}, needs attention` : word);
  state.className = `pill ${status !== 'ready' ? 'bad' : details.length > 0 ? 'warn' : 'good'}`;
  say($('host'), location.host);
  say($('sub'), `${version ? `version ${version}, ` : ''}up ${duration(nowMs - sinceMs)}`);
  document.title = `${status === 'ready' && !isTroubled ? '' : '! '}lockdown-proxy ${location.host}`;
}

export function showNotices({ readiness, lastReload, totals, config }) {
  const said = {
    last_good_in_use: [
      'bad',
      'The last good configuration is in force.',
      'The file on disk has faults: repair it, and it is taken up. `lockdown-proxy check` names them.',
    ],
    reload_failed: ['bad', 'The last reload failed.', 'What was in force before stays in force.'],
    ranges_stale: ['warn', 'The datacenter ranges are stale.', '`lockdown-proxy ranges refresh` says why.'],
    ranges_missing: ['bad', 'There are no datacenter ranges.', 'Rules that name a service tag match nothing.'],
    report_mode: [
      'warn',
      'Report mode:',
      'what no rule allows is let through and logged as would_deny. `lockdown-proxy logs suggest` writes the rules.',
    ],
  };
  const notices = readiness.details.map((detail) => ({ detail, parts: said[detail] ?? ['warn', plain(detail), ''] }));
  for (const notice of notices) {
    if (notice.detail === 'reload_failed' && lastReload?.result === 'failed') notice.faults = lastReload.faults;
  }
  if (readiness.status === 'draining') {
    notices.unshift({ detail: 'draining', parts: ['bad', 'Draining.', 'Open tunnels may end; new ones are refused.'] });
  }
  if (config.rules === 0) notices.push({ detail: 'no_rules', parts: ['bad', 'No rules.', 'Everything is refused.'] });
  if (totals.droppedLines > 0) {
    const text = `${count(totals.droppedLines)} lines of the access log were lost: the disk is full, or the reader stalls.`;
    notices.push({ detail: 'dropped', parts: ['bad', 'The log has gaps.', text] });
  }
  keep(
    $('notices'),
    notices,
    ({ detail }) => detail,
    ({ parts: [kind] }) => element('li', { class: `notice ${kind}` }, element('strong'), ' ', element('span')),
    (item, { parts: [, head, text], faults = [] }) => {
      say(item.children[0], head);
      sayWithCode(item.children[1], text);
      while (item.children.length > 2 + faults.length) item.lastElementChild.remove();
      while (item.children.length < 2 + faults.length) item.append(element('code'));
      for (const [index, fault] of faults.entries()) say(item.children[2 + index], fault);
    },
  );
}

export function showTiles({ totals, tunnels, auth }, points, flow) {
  const lately = (key) => points.reduce((sum, point) => sum + point[key], 0);
  const peak = points.reduce((most, { open }) => Math.max(most, open), totals.tunnels);
  const newest = points.at(-1);
  const perSecond = (total, key) => flow(total) ?? (newest ? newest[key] / stepSeconds : 0);
  say($('tile-open'), count(totals.tunnels));
  say($('under-open'), `at most ${count(peak)} in the last hour`);
  say($('tile-down'), rate(perSecond('bytesDown', 'down')));
  say($('under-down'), `${bytes(totals.bytesDown)} in all`);
  say($('tile-up'), rate(perSecond('bytesUp', 'up')));
  say($('under-up'), `${bytes(totals.bytesUp)} in all`);
  const clients = new Set(tunnels.map(({ client }) => client)).size;
  say($('tile-allowed'), count(lately('allowed')));
  say(
    $('under-allowed'),
    clients === 0 ? 'no client is connected' : `${count(clients)} ${clients === 1 ? 'client' : 'clients'} connected`,
  );
  const refused = lately('refused');
  const failures = auth.reduce((sum, entry) => sum + entry.failures, 0);
  say($('tile-refused'), count(refused));
  say($('under-refused'), failures > 0 ? `${count(failures)} failed to sign in` : 'no sign-in failed');
  $('box-refused').className = refused > 0 ? 'hot' : '';
  const failed = lately('failed');
  say($('tile-failed'), count(failed));
  say($('under-failed'), 'by DNS, network or destination');
  $('box-failed').className = failed > 0 ? 'warm' : '';
}
