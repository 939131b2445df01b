import { describe, expect, it } from 'vitest';
import { createProxyAnswerReader } from '../../../src/message/proxy-answer.ts';
import type { ProxyAnswer } from '../../../src/message/proxy-answer.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Pushes pieces until there is an answer. */
function read(pieces: readonly string[], maxBytes = 1024): ProxyAnswer {
  const reader = createProxyAnswerReader(maxBytes);
  let answer: ProxyAnswer = { type: 'incomplete' };
  for (const piece of pieces) {
    if (answer.type === 'incomplete') answer = reader.push(bytes(piece));
  }
  return answer;
}

const summary = (answer: ProxyAnswer): unknown =>
  answer.type === 'answer'
    ? [answer.status, answer.phrase, answer.rest.toString('latin1')]
    : answer.type === 'malformed'
      ? answer.why
      : answer.type;

describe('an answer to CONNECT', () => {
  it.each<[string, unknown]>([
    ['HTTP/1.1 200 Connection established\r\n\r\n', [200, 'Connection established', '']],
    ['HTTP/1.0 200 OK\r\nX: y\r\nEmpty:\r\n\r\nrest\0\xff', [200, 'OK', 'rest\0\xff']],
    ['HTTP/1.1 200\r\n\r\n', [200, '', '']],
    ['HTTP/1.1 200 \r\n\r\n\r\n\r\n', [200, '', '\r\n\r\n']],
    [
      'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nabc',
      [407, 'Proxy Authentication Required', 'abc'],
    ],
    ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nr', [200, 'OK', 'r']],
    ['HTTP/1.1 599 \xe9\r\n\r\n', [599, '\xe9', '']],
    ['HTTP/1.1 200 OK\r\nX: y\r\n', 'incomplete'],
    ['HTTP/1', 'incomplete'],
    ['', 'incomplete'],
    ['HTTP/2 200\r\n\r\n', 'not HTTP/1'],
    ['HTTP/1.2 200 OK\r\n\r\n', 'malformed status line'],
    ['http/1.1 200 OK\r\n\r\n', 'not HTTP/1'],
    ['ICY 200 OK\r\n\r\n', 'not HTTP/1'],
    ['\r\nHTTP/1.1 200 OK\r\n\r\n', 'not HTTP/1'],
    ['HTTP/1.1  200 OK\r\n\r\n', 'malformed status line'],
    ['HTTP/1.1 20 OK\r\n\r\n', 'malformed status line'],
    ['HTTP/1.1 2000 OK\r\n\r\n', 'malformed status line'],
    ['HTTP/1.1 099 OK\r\n\r\n', 'malformed status line'],
    ['HTTP/1.1 600 OK\r\n\r\n', 'malformed status line'],
    ['HTTP/1.1 200 O\rK\r\n\r\n', 'malformed status line'],
    ['HTTP/1.1 200 O\x00K\r\n\r\n', 'malformed status line'],
    ['HTTP/1.1 200 OK\nX: y\r\n\r\n', 'malformed status line'],
    ['HTTP/1.1 200 OK\r\nX: y\n\r\n\r\n', 'malformed field'],
    ['HTTP/1.1 200 OK\r\nX : y\r\n\r\n', 'malformed field'],
    ['HTTP/1.1 200 OK\r\n: y\r\n\r\n', 'malformed field'],
    ['HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n', 'malformed field'],
    ['HTTP/1.1 200 OK\r\nX\r\n\r\n', 'malformed field'],
    ['HTTP/1.1 101 Switching Protocols\r\n\r\n', 'status 101'],
    ['HTTP/1.1 100 Continue\r\n\r\nSSH-2.0', 'not HTTP/1'],
  ])('%j is read the same in one piece and in single bytes', (text, expected) => {
    expect(summary(read([text]))).toEqual(expected);
    const single = read(text.split(''));
    // What comes behind the head is whatever of it had arrived.
    const whole = Array.isArray(expected) ? [expected[0], expected[1], ''] : expected;
    expect(summary(single)).toEqual(whole);
  });

  it('may take so many bytes in all, interim answers counted', () => {
    const head = 'HTTP/1.1 200 OK\r\n\r\n';
    expect(summary(read([head], head.length))).toEqual([200, 'OK', '']);
    expect(summary(read([head], head.length - 1))).toBe('head too large');
    expect(summary(read([`HTTP/1.1 100 Continue\r\n\r\n${head}`], head.length + 10))).toBe('head too large');
  });

  it('keeps every byte behind a head that fills the room', () => {
    const head = 'HTTP/1.1 200 OK\r\n\r\n';
    const rest = 'r'.repeat(5000);
    expect(summary(read([head.slice(0, 5), head.slice(5) + rest], head.length + 3))).toEqual([200, 'OK', rest]);
  });
});
