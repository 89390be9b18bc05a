/** That no command is left out. */
import {expect, test} from '@jest/globals';
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {COMMANDS as FAILING} from '../faults/commands.ts';
import {COMMANDS, IMPORTERS, READERS} from './commands.ts';

const DIRECTORY = join(import.meta.dirname, '../../commands');

/** The commands of which nothing is tried. */
function without(tried: readonly string[]): string[] {
  return readdirSync(DIRECTORY, {recursive: true, encoding: 'utf8'})
    .filter((file) => file.endsWith('.ts') && !file.startsWith('shared/'))
    .map((file) => file.slice(0, -'.ts'.length).replace('/', ' '))
    .filter((command) => !tried.some((name) => name === command || name.startsWith(`${command} `)))
    .sort();
}

test('every command that changes something dies at its steps', () => {
  expect(without(Object.keys(COMMANDS))).toEqual([...READERS, ...IMPORTERS].sort());
});

test('in every command any call of the file system fails', () => {
  expect(without(Object.keys(FAILING))).toEqual([...IMPORTERS]);
});
