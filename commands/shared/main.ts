/**
 * The program: finds the command and loads its bundle, in which there is all that it needs and nothing else. Only for
 * help, the version, and words that name no command, the framework is loaded.
 */
import type {answerWithoutCommand} from './framework.ts';
import {asksForHelp, commandFirst, findCommand} from './find-command.ts';

/** The ids of all commands, put in by the build. */
declare const CHROOTCTL_COMMANDS: readonly string[];

interface CommandBundle {
  start: (argv: readonly string[], depth: number) => Promise<void>;
}

interface FrameworkBundle {
  answerWithoutCommand: typeof answerWithoutCommand;
}

export async function main(argv: readonly string[]): Promise<void> {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const words = commandFirst(argv.slice(0, end), CHROOTCTL_COMMANDS);
  const found =
    words[0] === '--version' || asksForHelp(words) ? undefined : findCommand(words, CHROOTCTL_COMMANDS);
  if (found === undefined) {
    const {answerWithoutCommand} = (await import(bundle('framework'))) as FrameworkBundle;
    await answerWithoutCommand(words, CHROOTCTL_COMMANDS);
    return;
  }
  const {start} = (await import(bundle(`commands/${found.id.replace(':', '.')}`))) as CommandBundle;
  await start([...words, ...argv.slice(end)], found.depth);
}

/** A variable path, so that the build leaves the import alone. */
function bundle(name: string): string {
  return `./${name}.cjs`;
}
