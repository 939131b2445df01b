/** Listeners of a bare socket hear what those of an `EventEmitter` hear. */
import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Listener, SocketEvent } from '../../../src/proxy/listeners.ts';
import { Listeners, told } from '../../../src/proxy/listeners.ts';

class Teller extends Listeners {
  override emit(event: SocketEvent, value?: unknown): void {
    super.emit(event, value);
  }
}

type Emitter = Pick<Teller, 'on' | 'once' | 'off' | 'removeAllListeners' | 'emit'>;

describe.each([
  ['an EventEmitter', (): Emitter => new EventEmitter() as unknown as Emitter],
  ['listeners', (): Emitter => new Teller()],
])('%s', (_, create) => {
  /** What each listener heard, in order. */
  function heard(act: (emitter: Emitter, named: (name: string, also?: () => void) => Listener) => void): string[] {
    const said: string[] = [];
    act(create(), (name, also = () => {}) => (value?: unknown) => {
      said.push(`${name} ${String(value)}`);
      also();
    });
    return said;
  }

  test('tells in order, with itself as this', () => {
    const emitter = create();
    const seen: unknown[] = [];
    emitter.on('data', function (this: unknown) {
      seen.push(this);
    });
    emitter.emit('data', 1);
    expect(seen).toEqual([emitter]);
    expect(
      heard((other, named) => {
        other.on('data', named('a')).on('data', named('b')).on('end', named('c'));
        other.emit('data', 1);
      }),
    ).toEqual(['a 1', 'b 1']);
  });

  test('tells once who asked for once, and lets go of them by what they gave', () => {
    const said = heard((emitter, named) => {
      const gone = named('gone');
      emitter.once('data', named('once')).once('data', gone).off('data', gone);
      emitter.emit('data', 1);
      emitter.emit('data', 2);
    });
    expect(said).toEqual(['once 1']);
  });

  test('takes away one of two alike, the later', () => {
    const said = heard((emitter, named) => {
      const twice = named('twice');
      emitter.on('data', twice).on('data', named('between')).on('data', twice).off('data', twice);
      emitter.emit('data', 1);
    });
    expect(said).toEqual(['twice 1', 'between 1']);
  });

  test('tells those who listened when it began, whatever they change meanwhile', () => {
    const said = heard((emitter, named) => {
      const second = named('second');
      emitter.on(
        'data',
        named('first', () => emitter.off('data', second).on('data', named('late'))),
      );
      emitter.on('data', second);
      emitter.emit('data', 1);
      emitter.removeAllListeners('data').emit('data', 2);
    });
    expect(said).toEqual(['first 1', 'second 1']);
  });

  test('throws an error that nobody listens to', () => {
    expect(() => create().emit('error', new Error('unheard'))).toThrow('unheard');
    expect(heard((emitter, named) => emitter.on('error', named('e')).emit('error', 'x'))).toEqual(['e x']);
  });
});

describe('what is told next', () => {
  test('is given, and nobody listens any more', async () => {
    const teller = new Teller();
    const waiting = told(teller, 'data');
    teller.emit('data', 1);
    expect(await waiting).toBe(1);
    expect(() => teller.emit('error', new Error('unheard'))).toThrow('unheard');
  });

  test('is an error before it, or the reason to give up', async () => {
    const teller = new Teller();
    const waiting = told(teller, 'data');
    teller.emit('error', new Error('broken'));
    await expect(waiting).rejects.toThrow('broken');
    await expect(told(teller, 'data', AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
  });
});
