/** Outside text inside a fault: one line, ASCII, short, so that a feed writes nothing of its own into a log or terminal. */

/** The text in double quotes, what is not printable ASCII escaped, cut behind `max` characters. */
export function quote(text: string, max: number = 60): string {
  const shown = text.length > max ? `${text.slice(0, max)}...` : text;
  return JSON.stringify(shown).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
