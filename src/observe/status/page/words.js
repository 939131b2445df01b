/** Numbers and times as people read them. */

const number = new Intl.NumberFormat('en');
const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

export const count = (value) => number.format(value);

export function bytes(value) {
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

export const rate = (perSecond) => `${bytes(Math.max(0, perSecond))}/s`;

export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

export const ago = (ms) => (ms < 2000 ? 'now' : `${duration(ms)} ago`);

export const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });

/** A reason word or a verdict in words. */
export const plain = (word) => word.replaceAll('_', ' ');

export const verdicts = {
  allow: 'let through',
  deny: 'refused',
  challenge: 'asked to sign in',
  would_deny: 'let through in report mode',
  error: 'failed',
};

export const causes = {
  fine: 'Signs in as it should',
  cannot_authenticate: 'Never answers: it cannot sign in',
  wrong_password: 'Wrong password',
  unknown_user: 'Unknown user',
  rejected: 'Wrong password or unknown user',
  wrong_scheme: 'Wrong scheme',
  throttled: 'Throttled after wrong guesses',
  parent_credential_refused: 'The parent proxy refuses our credential',
};
