/**
 * What a parent proxy answers to CONNECT, read from bytes (RFC 9112 sections 2 to 5). Strict and bounded: what follows
 * the head belongs to the tunnel, so that where it ends must be beyond doubt.
 */

export type ProxyAnswer =
  | { readonly type: 'incomplete' }
  | { readonly type: 'malformed'; readonly why: string }
  /** `phrase` as sent; `rest` is what came behind the head. */
  | { readonly type: 'answer'; readonly status: number; readonly phrase: string; readonly rest: Buffer };

export interface ProxyAnswerReader {
  /** Takes the next bytes; asked no more once it has given another answer than `incomplete`. */
  push(bytes: Buffer): ProxyAnswer;
}

const end = Buffer.from('\r\n\r\n');
const beginning = 'HTTP/1.';
const statusLine = /^HTTP\/1\.[01] ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const field = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*$/;

/** Reads one final answer, interim ones before it skipped; all heads together may take `maxBytes`. */
export function createProxyAnswerReader(maxBytes: number): ProxyAnswerReader {
  const held = Buffer.allocUnsafe(maxBytes);
  let length = 0;
  let start = 0;
  let searched = 0;

  function next(): { readonly head: string; readonly next: number } | null {
    const at = held.subarray(0, length).indexOf(end, Math.max(start, searched - end.length));
    // The end may lie across two pieces, but not further back than its own length.
    searched = at < 0 ? length : at + end.length;
    return at < 0 ? null : { head: held.toString('latin1', start, at), next: at + end.length };
  }

  return {
    push(bytes) {
      const taken = bytes.copy(held, length);
      length += taken;
      for (;;) {
        const begun = held.toString('latin1', start, Math.min(length, start + beginning.length));
        if (!beginning.startsWith(begun)) return { type: 'malformed', why: 'not HTTP/1' };
        const found = next();
        if (!found) return length === maxBytes ? { type: 'malformed', why: 'head too large' } : { type: 'incomplete' };
        const answer = readHead(found.head);
        if (typeof answer === 'string') return { type: 'malformed', why: answer };
        start = found.next;
        if (answer.status === 101) return { type: 'malformed', why: 'status 101' };
        if (answer.status < 200) continue;
        const rest = Buffer.concat([held.subarray(start, length), bytes.subarray(taken)]);
        return { type: 'answer', ...answer, rest };
      }
    },
  };
}

function readHead(head: string): { readonly status: number; readonly phrase: string } | string {
  const [first = '', ...fields] = head.split('\r\n');
  const [, status = '', phrase = ''] = statusLine.exec(first) ?? [];
  if (status === '') return 'malformed status line';
  // A line that continues the one before is two readings of one head (RFC 9112 section 5.2).
  return fields.every((line) => field.test(line)) ? { status: Number(status), phrase } : 'malformed field';
}
