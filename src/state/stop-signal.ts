/**
 * How what waits is told to stop. It is the part of the platform's `AbortSignal` that is used here, so that one serves
 * in its place; every exchange has one and few are ever stopped, and an event target each is most of what that costs.
 */

export interface StopSignal {
  readonly aborted: boolean;
  /** What was given to `abort`. */
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
  /** @throws the reason, once there was a stop */
  throwIfAborted(): void;
}

/** Its own controller. Listeners are called once, in their order; those that come after the stop never are. */
export class Stop implements StopSignal {
  aborted = false;
  reason: unknown;
  #listeners: (() => void)[] = [];

  addEventListener(_type: 'abort', listener: () => void): void {
    if (!this.aborted) this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const at = this.#listeners.indexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** Calls after the first do nothing. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners.splice(0)) listener();
  }
}
