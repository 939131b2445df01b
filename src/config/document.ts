/** A YAML document that knows where each of its values stands. */
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';

/** A place in a text, from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface SourceDocument {
  /** The document as plain values; an empty one is an empty block. */
  readonly value: object;
  /** What is wrong with the YAML itself. */
  readonly faults: readonly (Place & { readonly message: string })[];
  readonly warnings: readonly (Place & { readonly message: string })[];
  /** The place of a value, or of the nearest thing around it that was written; `key` asks for that key of a block. */
  placeOf(path: readonly (string | number)[], key?: string | null): Place;
}

/** Reads YAML 1.2 with unique keys, one document. */
export function readDocument(text: string): SourceDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const faults = document.errors.map((error) => ({ ...placeAt(error.pos[0]), message: oneLine(error.message) }));
  const warnings = document.warnings.map((error) => ({ ...placeAt(error.pos[0]), message: oneLine(error.message) }));
  let value: unknown = {};
  if (faults.length === 0) {
    try {
      value = document.toJS() ?? {};
    } catch (error) {
      // Aliases that multiply past the library's bound, or refer to nothing.
      faults.push({ line: 1, column: 1, message: error instanceof Error ? oneLine(error.message) : 'unreadable' });
    }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    faults.push({ line: 1, column: 1, message: 'a configuration is a block of keys, as in `mode: enforce`' });
    value = {};
  }
  return {
    value: value as object,
    faults,
    warnings,
    placeOf: (path, key = null) => placeAt(offsetOf(document, key === null ? path : [...path, key], key !== null)),
  };
}

/** Where a value begins; for `asKey`, where its key does. What is not in the text has the place of what holds it. */
function offsetOf(document: Document, path: readonly (string | number)[], asKey: boolean): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const [depth, part] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === part);
      if (pair === undefined) return offset;
      const start = (isNode(pair.key) ? pair.key.range?.[0] : undefined) ?? offset;
      const value = isNode(pair.value) ? pair.value.range : undefined;
      const isEmpty = !value || value[0] === value[1];
      offset = (asKey && depth === path.length - 1) || isEmpty ? start : value[0];
      node = pair.value;
    } else {
      const next = typeof part === 'number' ? document.getIn(path.slice(0, depth + 1), true) : undefined;
      if (!isNode(next) || !next.range) return offset;
      [offset] = next.range;
      node = next;
    }
  }
  return offset;
}

function oneLine(message: string): string {
  return message.replace(/\s*\n\s*/g, ' ');
}
