/** Every command, as one that dies at its steps has it; and those that only read. */
import {COMMANDS as CHANGING, session, type Command} from '../crash-points/commands.ts';

const READING: Readonly<Record<string, readonly string[]>> = {
  diff: ['diff', 'work'],
  history: ['history', 'base'],
  images: ['images'],
  info: ['info'],
  inspect: ['inspect', 'base'],
  ps: ['ps', '--size'],
  'session list': ['session', 'list'],
  'session path': ['session', 'path', 'work'],
};

const readers = Object.entries(READING).map(([name, words]): [string, Command] => [
  name,
  {words: () => words, prepare: session},
]);

export const COMMANDS: Readonly<Record<string, Command>> = {...CHANGING, ...Object.fromEntries(readers)};

export function commandsFor(driver: string): string[] {
  return Object.keys(COMMANDS).filter((name) => (COMMANDS[name]?.driver ?? driver) === driver);
}
