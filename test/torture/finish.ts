/** The last look, when nobody is at work any more: everything that must be true then. */
import {setTimeout as sleep} from 'node:timers/promises';
import {Store} from '../../src/store/store.ts';
import type {Cli} from '../cli/chrootctl.ts';
import type {HistoryEntry, ListedVersion} from './answers.ts';
import type {Contents} from './contents.ts';
import type {Figures} from './figures.ts';
import type {Journal} from './journal.ts';
import {checkKeptSessions} from './kept-sessions.ts';
import {loopDevicesOf, remainingFiles, remainingProcesses} from './leftovers.ts';
import {replay} from './replay.ts';

/** What is younger may be somebody's who is still writing it, so nobody collects it. */
const YOUNG_MS = 61_000;

interface Finish {
  cli: Cli;
  journal: Journal;
  contents: Contents;
  /** Where the file system's image lies. */
  directory: string;
}

export async function finish({
  cli,
  journal,
  contents,
  directory,
}: Finish): Promise<Pick<Figures, 'sessions checked' | 'named by doctor'>> {
  const ended = Date.now();
  const before = await cli.call(['doctor', '--json']);
  const named = (JSON.parse(before.stdout) as {problems: {what: string}[]}).problems;
  await lookIntoAll();
  const sessions = await checkKeptSessions(cli, journal);
  await sleep(Math.max(0, ended + YOUNG_MS - Date.now()));

  await succeed('gc');
  await succeed('doctor', '--fix');
  await succeed('doctor');
  await replayAll();
  await lookIntoAll();
  for (const what of await remainingFiles(cli.store)) journal.problem(`after gc: ${what}`);
  for (const {id} of await cli.json<{id: string}[]>('ps')) await succeed('session', 'rm', '--force', id);
  for (const what of await remainingProcesses(cli.store)) journal.problem(`after all sessions: ${what}`);
  // Also those that have no versions any more, but a history.
  const store = await Store.open({root: cli.store});
  for (const image of store.imageNames()) await succeed('rm', '--force', image);
  for (const what of await remainingFiles(cli.store)) journal.problem(`after rm: ${what}`);
  await succeed('doctor');
  const loops = loopDevicesOf(directory);
  if (loops.length !== 1) journal.problem(`loop devices: ${loops.join(', ')}`);
  return {'sessions checked': sessions, 'named by doctor': named.length};

  async function succeed(...words: string[]): Promise<void> {
    const {code, stdout, stderr} = await cli.call(words);
    if (code !== 0) journal.problem(`${words.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  }

  async function lookIntoAll(): Promise<void> {
    for (const {image, version} of await cli.json<ListedVersion[]>('images')) {
      const reference = `${image}@${version}`;
      const {problem, failure} = await contents.look(reference, journal.expected.get(reference));
      if (problem !== undefined) journal.problem(problem);
      if (failure !== undefined) journal.problem(`${reference} cannot be read: ${failure}`);
    }
  }

  async function replayAll(): Promise<void> {
    const all = await cli.json<ListedVersion[]>('images');
    const images = Map.groupBy(all, ({image}) => image);
    for (const image of new Set([...images.keys(), ...journal.images()])) {
      const {code, stdout} = await cli.call(['history', image, '--json']);
      // One that is gone has lost all of its moves, unless somebody removed it.
      const history = code === 0 ? (JSON.parse(stdout) as HistoryEntry[]).reverse() : [];
      replay(journal, {image, history, versions: images.get(image) ?? []});
    }
  }
}
