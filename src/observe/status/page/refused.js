/** What was refused and what would let it pass, and who could not sign in and why. */
import { element, fillTable, say, sayWithCode } from './tables.js';
import { ago, causes, count, plain, verdicts } from './words.js';

const $ = (id) => document.getElementById(id);

export function showRefusals({ refusals, nowMs }) {
  $('refusals').hidden = refusals.length === 0;
  $('refusals-empty').hidden = refusals.length > 0;
  fillTable(
    $('refusals'),
    refusals,
    (entry) => JSON.stringify([entry.kind, entry.target, entry.reason, entry.verdict]),
    [
      { kind: 'num', text: (entry) => count(entry.count) },
      {
        kind: 'name',
        parts: (entry) => [
          ['span', '', entry.target],
          [
            'span',
            `why ${entry.verdict}`,
            `${plain(entry.reason ?? verdicts[entry.verdict])}${entry.verdict === 'would_deny' ? ', let through in report mode' : ''}`,
          ],
        ],
      },
      { kind: 'name', text: (entry) => listOf(entry.clients) },
      { kind: 'keep', text: (entry) => ago(nowMs - entry.lastMs) },
      {
        kind: 'name',
        parts: (entry) => [
          ...(entry.fixRule === null ? [] : [['div', 'fix', ruleWithCopy(entry.fixRule)]]),
          ...(entry.fixRule === null ? [['span', '', (part) => sayWithCode(part, entry.fix)]] : []),
        ],
      },
    ],
  );
}

function ruleWithCopy(rule) {
  return (box) => {
    if (box.children.length === 0) box.append(element('code'), element('button'));
    say(box.children[0], rule);
    copyButton(rule)(box.children[1]);
  };
}

function copyButton(text) {
  return (button) => {
    button.dataset.text = text;
    if (button.type !== 'button') {
      button.type = 'button';
      button.textContent = 'Copy';
      button.addEventListener('click', () => void copy(button));
    }
    button.setAttribute('aria-label', `Copy the rule ${text}`);
  };
}

async function copy(button) {
  const { text } = button.dataset;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
    say($('said'), `Copied ${text}`);
  } catch {
    // Over plain http from afar a page may not write to the clipboard: mark it, to be copied by hand.
    getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = 'Press Ctrl+C';
  }
  setTimeout(() => (button.textContent = 'Copy'), 1500);
}

export function showAuth({ auth, nowMs }) {
  $('auth').hidden = auth.length === 0;
  $('auth-empty').hidden = auth.length > 0;
  fillTable($('auth'), auth, (entry) => `${entry.client} ${entry.userAgent}`, [
    {
      kind: 'name',
      parts: (entry) => [
        ['span', '', entry.client],
        [
          'small',
          '',
          [
            entry.userAgent ?? 'no user agent',
            ...(entry.users.length > 0 ? [`as ${listOf(entry.users)}`] : []),
            ago(nowMs - entry.lastMs),
          ].join(', '),
        ],
      ],
    },
    { kind: 'num', text: (entry) => count(entry.challenges) },
    { kind: 'num', text: (entry) => count(entry.failures) },
    { kind: 'num', text: (entry) => count(entry.successes) },
    {
      kind: 'name',
      parts: (entry) => [
        ['span', `why ${entry.cause === 'fine' ? 'good' : 'bad'}`, causes[entry.cause] ?? plain(entry.cause)],
        ['span', '', (part) => sayWithCode(part, entry.advice ?? '')],
      ],
    },
  ]);
}

function listOf(names, shown = 3) {
  const rest = names.length - shown;
  return names.slice(0, shown).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
