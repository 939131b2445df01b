/** Changes one user in the text of a users file and leaves every other byte of it as it was, comments and all. */

/** What became of the text. */
export interface UsersEdit {
  readonly text: string;
  /** How many lines the user had before. */
  readonly found: number;
}

/** Gives a user this hash: in the place of the first line that has the name, else in a line at the end. */
export function setUser(text: string, name: string, stored: string): UsersEdit {
  const { lines, places } = findUser(text, name);
  const [first] = places;
  const entry = `${name}:${stored}`;
  if (first === undefined) return { text: `${text}${entry}\n`, found: 0 };
  const kept = lines.map((line, at) => (at === first ? entry : line));
  return { text: kept.filter((_, at) => at === first || !places.includes(at)).join('\n'), found: places.length };
}

/** Takes out every line that has the name. */
export function removeUser(text: string, name: string): UsersEdit {
  const { lines, places } = findUser(text, name);
  return { text: lines.filter((_, at) => !places.includes(at)).join('\n'), found: places.length };
}

function findUser(
  text: string,
  name: string,
): { readonly lines: readonly string[]; readonly places: readonly number[] } {
  const lines = text.split('\n');
  const places = lines.flatMap((line, at) => (line.replace(/^\ufeff/, '').startsWith(`${name}:`) ? [at] : []));
  return { lines, places };
}
