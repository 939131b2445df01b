/** The connection to a destination that stays open between the requests of one client connection. */
import type { Socket } from 'node:net';
import type { Address } from '../address/ip.ts';
import type { JudgedAddress } from '../policy/decide.ts';
import type { Target } from '../message/request-target.ts';

interface Held {
  readonly socket: Socket;
  /** Whom the request named over which it was opened. */
  readonly target: string;
  readonly address: string;
}

/**
 * Holds one connection at most, for the client connection that it was opened for and no other: what a destination ties
 * to a connection, as NTLM does with who signed in, stays with the client that it belongs to.
 */
export class KeptDestination {
  #held: Held | null = null;
  #isOver = false;

  /** Holds a connection whose last answer is whole and that may carry another; the one held before goes. */
  hold(socket: Socket, target: Target, address: Address | null): void {
    this.#drop();
    if (this.#isOver || socket.destroyed || !socket.writable || socket.readableEnded || !address)
      return void socket.destroy();
    this.#held = { socket, target: target.text, address: address.text };
    // Nothing may come while nothing was asked: it would be taken for the next answer.
    socket.on('data', this.#onUnasked).on('end', this.#onUnasked).on('close', this.#onUnasked);
  }

  /** The connection for a request to this target, if its address is one of those judged for it. */
  take<J extends JudgedAddress>(target: Target, addresses: readonly J[]): { socket: Socket; judged: J } | null {
    const held = this.#held;
    if (!held || held.target !== target.text) return null;
    const judged = addresses.find(({ address }) => address.text === held.address);
    if (!judged) return null;
    this.#held = null;
    this.#unguard(held.socket);
    return { socket: held.socket, judged };
  }

  /** The client connection is gone: what is held goes, and nothing is held again. */
  end(): void {
    this.#isOver = true;
    this.#drop();
  }

  #drop(): void {
    const held = this.#held;
    if (!held) return;
    this.#held = null;
    this.#unguard(held.socket);
    held.socket.destroy();
  }

  readonly #onUnasked = (): void => this.#drop();

  #unguard(socket: Socket): void {
    socket.off('data', this.#onUnasked).off('end', this.#onUnasked).off('close', this.#onUnasked);
  }
}
