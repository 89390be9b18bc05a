/** Questions, for those who can answer them. */
import {isatty} from 'node:tty';
import {interruption, stoppable} from '../../src/system/interruption.ts';
import {complain} from './output.ts';

/**
 * Whether somebody is there to be asked. All three streams, since a script is often started from a terminal: what it
 * reads, or keeps, of an output of ours is not for a person's eyes.
 */
export function canAsk(): boolean {
  return [0, 1, 2].every((fd) => isatty(fd));
}

/** Asks on the terminal. No answer is a no. @throws Interrupted */
export async function confirmed(question: string): Promise<boolean> {
  complain(`${question} [y/N] `);
  const answer = await stoppable(nextLine(), interruption, () => process.stdin.destroy());
  return /^y(?:es)?$/i.test(answer.trim());
}

/** What is typed up to the Enter key; nothing when the input ends. */
function nextLine(): Promise<string> {
  const {stdin} = process;
  return new Promise((resolve) => {
    const done = (text = ''): void => {
      for (const event of ['data', 'end', 'close']) stdin.off(event, done);
      stdin.pause();
      resolve(text);
    };
    stdin.setEncoding('utf8');
    for (const event of ['data', 'end', 'close']) stdin.on(event, done);
    stdin.resume();
  });
}
