/** Rows in aligned columns, no wider than the terminal. */
import type { Style, Terminal } from './terminal.ts';
import { plain } from './terminal.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** Gives up width first when the terminal is narrow, down to its title. */
  readonly shrinks?: true;
}

export interface Row {
  readonly cells: readonly string[];
  /** Colour of a cell, by its place. */
  readonly styles?: Readonly<Record<number, Style>>;
  /** Lines under the row, whole whatever their length: what is there to be copied. */
  readonly below?: readonly string[];
}

const gap = '  ';
const leastWidth = 8;

/** The table as text, a newline at the end; empty where there are no rows. Cells are made plain here. */
export function formatTable(columns: readonly Column[], rows: readonly Row[], terminal: Terminal): string {
  if (rows.length === 0) return '';
  const texts = rows.map(({ cells }) => cells.map(plain));
  const widths = fit(columns, texts, terminal.width);
  const line = (cells: readonly string[], styles: Row['styles'] = {}): string => {
    const parts = columns.map((column, at) => {
      const width = widths[at] ?? 0;
      const text = cut(cells[at] ?? '', width);
      const isLast = at === columns.length - 1;
      const padded = column.align === 'right' ? text.padStart(width) : isLast ? text : text.padEnd(width);
      const style = styles[at];
      return style === undefined ? padded : terminal.paint(style, padded);
    });
    return parts.join(gap).trimEnd();
  };
  const head = terminal.paint('bold', line(columns.map(({ title }) => title)));
  const body = rows.flatMap(({ styles, below = [] }, at) => [
    line(texts[at] ?? [], styles),
    ...below.map((text) => `${gap}${gap}${plain(text)}`),
  ]);
  return `${[head, ...body].join('\n')}\n`;
}

/** Natural widths, and where they are too wide together the columns that shrink give way, the widest most. */
function fit(columns: readonly Column[], texts: readonly (readonly string[])[], width: number | null): number[] {
  const widths = columns.map(({ title }, at) =>
    texts.reduce((widest, cells) => Math.max(widest, cells[at]?.length ?? 0), title.length),
  );
  if (width === null) return widths;
  let excess = widths.reduce((sum, each) => sum + each + gap.length, -gap.length) - width;
  while (excess > 0) {
    const shrinkable = columns.flatMap(({ shrinks }, at) => (shrinks && (widths[at] ?? 0) > leastWidth ? [at] : []));
    const widest = shrinkable.reduce<number | null>(
      (best, at) => (best === null || (widths[at] ?? 0) > (widths[best] ?? 0) ? at : best),
      null,
    );
    if (widest === null) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 3)}...`;
}
