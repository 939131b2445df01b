/** The user that a client certificate speaks for: its subject alternative name (RFC 5280 section 4.2.1.6), else the common name. */

/** Which kinds of name are taken, the first that is there. */
const kinds = ['email', 'URI', 'DNS'] as const;
const maxChars = 255;

/**
 * Reads the user out of `subjectAltName` as Node prints it (`DNS:a, email:"b, c"`) and the subject's common name; null
 * where neither names one. Several common names name nobody, for two readers could take different ones.
 */
export function certificateUser(subjectAltName: string | undefined, commonName: unknown): string | null {
  const names = readNames(subjectAltName ?? '');
  const candidates = kinds.flatMap((kind) => names.filter((name) => name.kind === kind).map(({ value }) => value));
  if (typeof commonName === 'string') candidates.push(commonName);
  return candidates.find(isUser) ?? null;
}

function isUser(text: string): boolean {
  return text !== '' && text.length <= maxChars && !/[\0-\x1f\x7f-\x9f]/.test(text);
}

/** A value that could be mistaken for two entries is printed as a JSON string. */
function readNames(text: string): readonly { readonly kind: string; readonly value: string }[] {
  const entry = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?=, |$)/y;
  const names: { kind: string; value: string }[] = [];
  for (let found = entry.exec(text); found; found = entry.exec(text)) {
    const [, kind = '', value = ''] = found;
    names.push({ kind, value: value.startsWith('"') ? unquote(value) : value });
  }
  return names;
}

function unquote(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return '';
  }
}
