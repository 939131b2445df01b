/** Reads a password without showing it: from the terminal with echo off, or as lines of standard input; never from an argument. */
import type { Readable } from 'node:stream';
import { UsersError } from './users-file.ts';

/** Standard input, as far as it is used; `setRawMode` is there on a terminal. */
export interface PasswordInput extends Readable {
  readonly isTTY?: boolean;
  setRawMode?(isRaw: boolean): unknown;
}

/** More than any password has; a stream without a line end is not read for ever. */
const maxChars = 4096;

/**
 * Reads one password, asked for once per prompt; all answers have to be the same.
 * @throws UsersError when they are not, when input ends early, or when it was interrupted
 */
export async function readPassword(
  input: PasswordInput,
  prompts: readonly string[],
  say: (text: string) => void,
): Promise<string> {
  input.setEncoding('utf8');
  const isTerminal = input.isTTY === true && input.setRawMode !== undefined;
  const lines = isTerminal ? await askTerminal(input, prompts, say) : await readLines(input, prompts.length);
  const [password = '', ...others] = lines;
  if (lines.length < prompts.length) {
    const wanted = prompts.length === 1 ? 'the password on a line' : 'the password twice, on two lines';
    throw new UsersError(`standard input ended; it has to give ${wanted}`);
  }
  if (others.some((other) => other !== password)) throw new UsersError('the two passwords differ; nothing was changed');
  return password;
}

async function readLines(input: Readable, count: number): Promise<readonly string[]> {
  let text = '';
  for await (const chunk of input) {
    text += chunk as string;
    if (text.split('\n').length > count || text.length > maxChars * count) break;
  }
  const lines = text.split('\n');
  // A last line may do without its end.
  if (lines.at(-1) === '') lines.pop();
  return lines.slice(0, count).map((line) => line.replace(/\r$/, ''));
}

/** Raw mode shows nothing of what is typed, and leaves the keys that end or mend a line to us. */
function askTerminal(input: PasswordInput, prompts: readonly string[], say: (text: string) => void) {
  const lines: string[] = [];
  let typed = '';
  return new Promise<readonly string[]>((resolve, reject) => {
    const finish = (settle: () => void) => {
      input.off('data', onData);
      input.setRawMode?.(false);
      input.pause();
      settle();
    };
    const onData = (chunk: string) => {
      for (const key of chunk) {
        if (key === '\x03' || key === '\x04') {
          say('\n');
          finish(() => reject(new UsersError('interrupted; nothing was changed')));
          return;
        }
        if (key === '\r' || key === '\n') {
          say('\n');
          lines.push(typed);
          typed = '';
          if (lines.length === prompts.length) {
            finish(() => resolve(lines));
            return;
          }
          say(prompts[lines.length] ?? '');
        } else if (key === '\x7f' || key === '\b') typed = typed.replace(/.$/su, '');
        else if (key === '\x15') typed = '';
        else if (typed.length < maxChars) typed += key;
      }
    };
    // Before the prompt: whoever types ahead is not shown either.
    input.setRawMode?.(true);
    say(prompts[0] ?? '');
    input.on('data', onData);
    input.resume();
  });
}
