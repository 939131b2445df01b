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
  /** Watched for as long as it is open. */
  #watched: Socket | null = null;
  #isOver = false;

  /** Holds a connection whose last answer is whole and that may carry another; the one held before goes. */
  hold(socket: Socket, target: Target, address: Address | null): void {
    this.#drop();
    if (this.#isOver || socket.destroyed || !socket.writable || socket.readableEnded || !address)
      return void socket.destroy();
    this.#held = { socket, target: target.text, address: address.text };
    if (this.#watched !== socket) this.#watch(socket);
  }

  /** The connection for a request to this target, if its address is one of those judged for it. */
  take<J extends JudgedAddress>(target: Target, addresses: readonly J[]): { socket: Socket; judged: J } | null {
    const held = this.#held;
    if (!held || held.target !== target.text) return null;
    const judged = addresses.find(({ address }) => address.text === held.address);
    if (!judged) return null;
    this.#held = null;
    return { socket: held.socket, judged };
  }

  /** The client connection is gone: what is held goes, and nothing is held again. */
  end(): void {
    this.#isOver = true;
    this.#drop();
  }

  /** Nothing may come while nothing was asked: it would be taken for the next answer. */
  #watch(socket: Socket): void {
    this.#watched = socket;
    const onUnasked = () => {
      if (this.#held?.socket === socket) this.#drop();
    };
    socket.on('data', onUnasked).on('end', onUnasked).on('close', onUnasked);
  }

  #drop(): void {
    const held = this.#held;
    this.#held = null;
    held?.socket.destroy();
  }
}
