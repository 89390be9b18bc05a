/** That no command is left out. */
import {expect, test} from '@jest/globals';
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {COMMANDS, IMPORTERS, READERS} from './commands.ts';

const DIRECTORY = join(import.meta.dirname, '../../commands');

test('every command that changes something dies at its steps', () => {
  const all = readdirSync(DIRECTORY, {recursive: true, encoding: 'utf8'})
    .filter((file) => file.endsWith('.ts') && !file.startsWith('shared/'))
    .map((file) => file.slice(0, -'.ts'.length).replace('/', ' '));
  const tried = Object.keys(COMMANDS);
  const isTried = (command: string): boolean =>
    tried.some((name) => name === command || name.startsWith(`${command} `));
  const exempt: readonly string[] = [...READERS, ...IMPORTERS];
  expect(all.filter((command) => !isTried(command)).sort()).toEqual([...exempt].sort());
});
