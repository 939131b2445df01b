/**
 * Who listens to a bare socket. As an `EventEmitter` does it for few events, each with a place of its own: a tunnel adds
 * and takes away some thirty listeners, and a table for events of any name is up to 5 per cent of what it costs.
 */

export type SocketEvent = 'connect' | 'data' | 'end' | 'drain' | 'finish' | 'error' | 'close';

/** Called with the socket as `this`. */
export type Listener = ((...args: never[]) => void) & { readonly listener?: Listener };

const nobody: readonly Listener[] = [];

export class Listeners {
  readonly #of: Record<SocketEvent, readonly Listener[]> = {
    connect: nobody,
    data: nobody,
    end: nobody,
    drain: nobody,
    finish: nobody,
    error: nobody,
    close: nobody,
  };

  on(event: SocketEvent, listener: Listener): this {
    const known = this.#of[event];
    this.#of[event] = known.length === 0 ? [listener] : [...known, listener];
    return this;
  }

  once(event: SocketEvent, listener: Listener): this {
    const first = (...args: never[]) => {
      this.off(event, first);
      Reflect.apply(listener, this, args);
    };
    return this.on(event, Object.assign(first, { listener }));
  }

  off(event: SocketEvent, listener: Listener): this {
    const known = this.#of[event];
    const at = known.findLastIndex((other) => other === listener || other.listener === listener);
    if (at >= 0) this.#of[event] = known.length === 1 ? nobody : known.toSpliced(at, 1);
    return this;
  }

  removeAllListeners(event: SocketEvent): this {
    this.#of[event] = nobody;
    return this;
  }

  /** Tells those who listen at the moment, in their order. @throws an error that nobody listens to */
  protected emit(event: SocketEvent, value?: unknown): void {
    const listening = this.#of[event];
    if (event === 'error' && listening.length === 0) throw value;
    for (const listener of listening) Reflect.apply(listener, this, [value]);
  }
}

interface Socket {
  on(event: SocketEvent, listener: Listener): unknown;
  off(event: SocketEvent, listener: Listener): unknown;
}

/** What a socket tells next of an event. @throws an error that it tells before, or the reason why `signal` was aborted */
export function told(socket: Socket, event: Exclude<SocketEvent, 'error'>, signal?: AbortSignal): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const onAbort = () => reject(signal?.reason);
  socket.on(event, resolve);
  socket.on('error', reject);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort);
  return promise.finally(() => {
    socket.off(event, resolve);
    socket.off('error', reject);
    signal?.removeEventListener('abort', onAbort);
  });
}
