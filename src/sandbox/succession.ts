/**
 * What comes after a program that has nothing left to do but to wait for a command: the supervisor, which the process
 * becomes, so that its number and its start, by which others know it, stay as they are. It waits, sends signals on, keeps
 * to the time limit, relays standard streams that are files, and removes what the run had
 * (native/supervisor/succeeding.c). Where there is more to do or to say it becomes the program again, which finds here how
 * the command ended.
 */
import {existsSync} from 'node:fs';
import {setImmediate} from 'node:timers/promises';
import {interruption, stopWatching, watchForInterruption} from '../system/interruption.ts';
import {LOCKED_MODE} from '../system/life.ts';
import type {PlainRemoval} from '../system/plain-removal.ts';
import {ownEntry} from '../system/processes.ts';
import {become, canBecome, ownProgram} from '../system/runtime.ts';
import {certificateCodes} from './certificates.ts';
import type {Ending} from './outcome.ts';
import {listed} from './outer.ts';
import type {StreamFailure} from './streams.ts';

export interface Succession {
  /** Says which run it is, when the program goes on. */
  id: string;
  /** The file that tells of the run: locked for life (system/life.ts), and removed at its end. */
  record: string;
  removal: PlainRemoval;
}

export interface Succeeded {
  id: string;
  groups: readonly string[];
  ending: Ending;
  /** What went wrong with a standard stream, if anything did. */
  failure: StreamFailure | undefined;
}

interface Told {
  outer: Buffer;
  innermost: Buffer;
  /** Seconds. */
  timeout: number | undefined;
  /** Control groups; the program removes them. */
  groups: readonly string[];
}

/** What is less than this any kernel takes, whatever the limits (execve(2)); as much is free for what we do not count. */
const MOST_BYTES = 100_000;
/** No word is longer (MAX_ARG_STRLEN of the kernel). */
const LONGEST = 98_304;
/** As much as a pipe holds. */
const MOST_SCRIPT = 60_000;

/** Whether this process can be succeeded: it sees the processes that it is to signal, by the numbers that they have. */
export function canBeSucceeded(): boolean {
  return canBecome() && ownEntry() === process.pid && existsSync(`/proc/self/task/${process.pid}/children`);
}

/** Comes back where it cannot be, because there is too much to tell or we are told to stop. */
export async function beSucceededBy(
  supervisor: string,
  {id, record, removal}: Succession,
  told: Told,
): Promise<void> {
  const {file, words, shown} = ownProgram();
  const {innermost} = told;
  if (innermost.length > MOST_SCRIPT) return;
  const {volumes, name, gone, parts, most, watched} = removal;
  const known: Pick<Succeeded, 'id' | 'groups'> = {id, groups: told.groups};
  const text = listed([
    told.outer,
    innermost,
    listed([Math.ceil((told.timeout ?? 0) * 1000), LOCKED_MODE, record, JSON.stringify(known)]),
    listed(certificateCodes),
    // Groups are the program's to remove.
    told.groups.length > 0
      ? ''
      : listed([volumes, name, gone, listed(parts), most, watched?.path ?? '', watched?.identity ?? '']),
    listed([file, ...words]),
  ]).toString('base64url');
  const env: NodeJS.ProcessEnv = {...process.env};
  for (let at = 0; at * LONGEST < text.length; at++)
    env[`${TOLD}${at}`] = text.slice(at * LONGEST, (at + 1) * LONGEST);
  const size = [...shown, ...Object.entries(env).flat()].reduce((sum, each = '') => sum + each.length + 9, 0);
  if (size > MOST_BYTES) return;
  // Signals that have come are told of when there is nothing else to do.
  await setImmediate();
  if (interruption.aborted) return;
  // What comes from here on ends us: nobody would hear of it.
  stopWatching();
  become(supervisor, shown, env);
  // Refused: somebody has to wait for the command in the ordinary way.
  watchForInterruption();
}

const TOLD = 'CHROOTCTL_TOLD_';
const ENDED = 'CHROOTCTL_ENDED';

/** What this process was succeeded by has left for us; undefined where it was not. To be asked once. */
export function takeSucceeded(): Succeeded | undefined {
  const take = (name: string): string | undefined => {
    const value = process.env[name];
    // Nobody else is to hear of it.
    delete process.env[name]; // eslint-disable-line @typescript-eslint/no-dynamic-delete
    return value;
  };
  const [known, how = '', status = '', said = ''] = ['', '_HOW', '_STATUS', '_SAID'].map((end) =>
    take(ENDED + end),
  );
  if (known === undefined) return undefined;
  const [timedOut, first, signal, index = -1, errno = 0] = how.split(' ').map(Number);
  const {id, groups} = JSON.parse(known) as Pick<Succeeded, 'id' | 'groups'>;
  return {
    id,
    groups,
    ending: {timedOut: timedOut === 1, first, signal, status, said},
    failure: index < 0 ? undefined : {index, errno},
  };
}
