import { describe, expect, it } from 'vitest';
import { Stop } from '../../../src/state/stop-signal.ts';

describe('a stop', () => {
  it('tells everybody who listens, once and in their order', () => {
    const stop = new Stop();
    const heard: string[] = [];
    stop.addEventListener('abort', () => heard.push('first'));
    stop.addEventListener('abort', () => heard.push('second'));
    stop.abort('drain');
    stop.abort('client');
    expect(heard).toEqual(['first', 'second']);
    expect([stop.aborted, stop.reason]).toEqual([true, 'drain']);
  });

  it('does not tell who listens no more, nor who comes too late', () => {
    const stop = new Stop();
    const heard: string[] = [];
    const gone = () => heard.push('gone');
    stop.addEventListener('abort', gone);
    stop.removeEventListener('abort', gone);
    stop.abort('drain');
    stop.addEventListener('abort', () => heard.push('late'));
    expect(heard).toEqual([]);
  });

  it('knows its reason when the first is told', () => {
    const stop = new Stop();
    let found: unknown = null;
    stop.addEventListener('abort', () => (found = stop.reason));
    stop.abort('operator');
    expect(found).toBe('operator');
  });

  it('throws its reason where somebody goes on nevertheless', () => {
    const stop = new Stop();
    expect(() => stop.throwIfAborted()).not.toThrow();
    const reason = new Error('too many');
    stop.abort(reason);
    expect(() => stop.throwIfAborted()).toThrow(reason);
  });
});
