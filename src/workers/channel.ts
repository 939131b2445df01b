/** Calls between two processes over a channel that carries messages in order: told, or asked and answered. */

/** What one side may be asked: the name of each call, with what is given and what comes back. */
export type Calls = { readonly [name: string]: (given: never) => unknown };

type Given<T extends Calls, K extends keyof T> = Parameters<T[K]>[0];
type Result<T extends Calls, K extends keyof T> = Awaited<ReturnType<T[K]>>;

export interface Channel<Theirs extends Calls> {
  /** Tells and waits for nothing. */
  readonly tell: <K extends keyof Theirs & string>(name: K, given: Given<Theirs, K>) => void;
  /** Asks; rejects with what the other side threw, or when the channel is gone. */
  readonly ask: <K extends keyof Theirs & string>(name: K, given: Given<Theirs, K>) => Promise<Result<Theirs, K>>;
  /** To be given everything that comes from the other side. */
  receive(message: unknown): void;
  /** The other side is gone: whoever waits for an answer is told so. */
  close(): void;
}

type Message =
  | { readonly kind: 'call'; readonly name: string; readonly given: unknown; readonly id: number | null }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly message: string };

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** `send` puts a message on the channel and drops it where there is none any more; `ours` answers the other side. */
export function createChannel<Theirs extends Calls>(
  send: (message: object) => void,
  ours: Calls,
  onBug: (error: unknown) => void,
): Channel<Theirs> {
  const waiting = new Map<number, Waiting>();
  let count = 0;
  let isClosed = false;
  const post = (message: Message): void => send(message);

  async function answer(name: string, given: unknown, id: number | null): Promise<void> {
    try {
      const handler = ours[name] as ((given: unknown) => unknown) | undefined;
      if (!handler) throw new Error(`no such call: ${name}`);
      const result = await handler(given);
      if (id !== null) post({ kind: 'result', id, result });
    } catch (error) {
      if (id === null) onBug(error);
      else post({ kind: 'failure', id, message: error instanceof Error ? error.message : 'unknown error' });
    }
  }

  return {
    tell: (name, given) => post({ kind: 'call', name, given, id: null }),
    ask(name, given) {
      if (isClosed) return Promise.reject(gone());
      const id = count++;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        post({ kind: 'call', name, given, id });
      });
    },
    receive(received) {
      const message = received as Message;
      if (message.kind === 'call') {
        void answer(message.name, message.given, message.id);
        return;
      }
      const waiter = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.kind === 'result') waiter?.resolve(message.result as never);
      else waiter?.reject(new Error(message.message));
    },
    close() {
      isClosed = true;
      for (const { reject } of waiting.values()) reject(gone());
      waiting.clear();
    },
  };
}

function gone(): Error {
  return new Error('the other process is gone');
}
