/**
 * Lists and tables that change under the reader: an element stays for as long as its entry does, so that focus and
 * selection stay too. Text is only ever set as text.
 */

/** An element with attributes and children; a string is a text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Sets a text where it differs, for an equal one would still break a selection. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The same for a text with commands between backticks, which become code. */
export function sayWithCode(node, text) {
  if (node.textContent === text.replaceAll('`', '')) return;
  const parts = text.split('`');
  node.replaceChildren(...parts.map((part, index) => (index % 2 === 1 ? element('code', {}, part) : part)));
}

/** Makes the children of `parent` those of `entries`: `make` builds one, `update` tells it what is new. */
export function keep(parent, entries, keyOf, make, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let previous = null;
  for (const entry of entries) {
    const key = keyOf(entry);
    let child = known.get(key);
    if (!child) {
      child = make(entry);
      child.dataset.key = key;
    }
    known.delete(key);
    update(child, entry);
    const place = previous ? previous.nextElementSibling : parent.firstElementChild;
    if (place !== child) parent.insertBefore(child, place);
    previous = child;
  }
  for (const child of known.values()) child.remove();
}

/** Makes the body of a table; each column gives the content of its cell, or fills it where it has `fill`. */
export function fillTable(table, entries, keyOf, columns) {
  const titles = [...table.querySelectorAll('th')].map((th) => th.textContent);
  keep(
    table.tBodies[0],
    entries,
    keyOf,
    () =>
      element(
        'tr',
        {},
        ...columns.map(({ kind = null }, index) =>
          element('td', { class: kind, 'data-column': titles[index] }, element('div')),
        ),
      ),
    (row, entry) => {
      for (const [index, column] of columns.entries()) {
        const box = row.cells[index].firstElementChild;
        if (column.text) say(box, column.text(entry));
        else refill(box, column.parts(entry));
      }
    },
  );
}

/** Parts are `[element, class, text]`, or a function for what is no text; where only texts differ, elements stay. */
function refill(box, parts) {
  const shape = parts.map(([name, kind]) => `${name}.${kind}`).join(' ');
  if (box.dataset.shape !== shape) {
    box.replaceChildren(...parts.map(([name, kind]) => element(name, { class: kind })));
    box.dataset.shape = shape;
  }
  for (const [index, [, , content]] of parts.entries()) {
    const part = box.children[index];
    if (typeof content === 'function') content(part);
    else say(part, content);
  }
}
