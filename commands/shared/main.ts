/**
 * The program: finds the command and loads its bundle, in which there is all that it needs and nothing else. Only for
 * help, the version, and words that name no command, the framework is loaded.
 */
import type {answerWithoutCommand} from './framework.ts';
import {asksForHelp, commandFirst, findCommand} from './find-command.ts';

/** The ids of all commands, put in by the build. */
declare const CHROOTCTL_COMMANDS: readonly string[];

interface CommandBundle {
  start: (argv: readonly string[], depth: number, directory: string) => Promise<void>;
}

interface FrameworkBundle {
  answerWithoutCommand: typeof answerWithoutCommand;
}

/** Where the rest of the program is. */
export interface Parts {
  /** Gives what a bundle exports: `framework`, or `commands/` and a command's id with dots in it. */
  load: (name: string) => unknown;
  /** Has the framework's settings and manifest, and what else is no bundle. */
  directory: string;
}

export async function main(argv: readonly string[], {load, directory}: Parts): Promise<void> {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const words = commandFirst(argv.slice(0, end), CHROOTCTL_COMMANDS);
  const found =
    words[0] === '--version' || asksForHelp(words) ? undefined : findCommand(words, CHROOTCTL_COMMANDS);
  if (found === undefined) {
    const {answerWithoutCommand} = load('framework') as FrameworkBundle;
    await answerWithoutCommand(words, CHROOTCTL_COMMANDS, directory);
    return;
  }
  const {start} = load(`commands/${found.id.replace(':', '.')}`) as CommandBundle;
  await start([...words, ...argv.slice(end)], found.depth, directory);
}
