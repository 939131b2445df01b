import { describe, expect, it } from 'vitest';
import { shorten, toAsciiJson } from '../../../src/observe/escape.ts';

describe('a text that is cut', () => {
  it.each([
    ['fits', 'a'.repeat(40), 40, 'a'.repeat(40)],
    ['is one over', 'a'.repeat(41), 40, `${'a'.repeat(27)}...[+14]`],
    ['takes six bytes a character', '\u202e'.repeat(10), 40, `${'\u202e'.repeat(4)}...[+6]`],
    ['would be cut inside a pair', `${'a'.repeat(20)}😀${'a'.repeat(40)}`, 40, `${'a'.repeat(20)}...[+42]`],
    ['has quotes', '"'.repeat(30), 40, `${'"'.repeat(13)}...[+17]`],
  ])('%s', (_, text, maxBytes, expected) => {
    expect(shorten(text, maxBytes)).toBe(expected);
  });

  it('never takes more bytes than asked, whatever it is made of', () => {
    const pieces = ['a', '"', '\n', '\u0001', '\u0085', '😀', '\ud800'];
    for (const piece of pieces) {
      for (const maxBytes of [16, 64, 65, 66, 67, 68, 69, 128]) {
        const json = toAsciiJson(JSON.stringify(shorten(piece.repeat(500), maxBytes)));
        expect(json.length - 2).toBeLessThanOrEqual(maxBytes);
      }
    }
  });
});
