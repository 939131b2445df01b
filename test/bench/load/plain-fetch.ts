/** Plain HTTP by hand: one request at a time on each client connection, which is kept as long as the peer keeps it. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Route } from './tunnel.ts';
import { proxyHost } from './tunnel.ts';

/** Sends `count` requests over `lanes` connections; gives how many connections had to be opened. */
export async function fetchPlain(route: Route, count: number, lanes: number): Promise<number> {
  const request = `GET http://${route.plainAuthority}/ HTTP/1.1\r\nHost: ${route.plainAuthority}\r\n\r\n`;
  let left = count;
  let opened = 0;
  const lane = async () => {
    let line: Line | null = null;
    while (left-- > 0) {
      // Some proxies close without having said so: what was asked meanwhile is asked again, as browsers do.
      if (line && (await line.ask(request))) continue;
      line = openLine(route.plainPort);
      opened += 1;
      if (!(await line.ask(request))) throw new Error('closed before the answer was whole');
    }
    line?.close();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return opened;
}

interface Line {
  /** False when the connection was closed and nothing was answered. */
  ask(request: string): Promise<boolean>;
  close(): void;
}

function openLine(port: number): Line {
  let text = '';
  let waiting: PromiseWithResolvers<boolean> | null = null;
  let isClosing = false;
  const settle = (isAnswered: boolean) => {
    waiting?.resolve(isAnswered);
    waiting = null;
  };
  const socket: Socket = connect({ host: proxyHost, port, noDelay: true });
  socket.setEncoding('latin1');
  socket.on('data', (piece) => {
    text += String(piece);
    const answer = readAnswer(text);
    if (!answer) return;
    text = '';
    isClosing = answer.closes;
    if (answer.status !== 200) waiting?.reject(new Error(`plain HTTP answered ${answer.status}`));
    if (isClosing) socket.end();
    settle(true);
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    isClosing = true;
    settle(false);
  });
  return {
    ask(request) {
      if (isClosing) return Promise.resolve(false);
      waiting = Promise.withResolvers();
      socket.write(request);
      return waiting.promise;
    },
    close: () => void socket.destroy(),
  };
}

/** The answer in `text` once it is whole; every answer here has a length. */
function readAnswer(text: string): { readonly status: number; readonly closes: boolean } | null {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = text.slice(0, end);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN);
  if (Number.isNaN(length)) throw new Error(`an answer without a length: ${head.slice(0, 200)}`);
  if (text.length < end + 4 + length) return null;
  const closes = head.startsWith('HTTP/1.0') || /\r\n(?:proxy-)?connection:[^\r]*close/i.test(head);
  return { status: Number(head.slice(9, 12)), closes };
}
