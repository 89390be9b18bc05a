/**
 * The terminal that a command has. A user whom it does not belong to cannot open it by its name, nor set who may write to it
 * (mesg(1)), as gpg's pinentry, screen and tmux do; and given to him, it could be read by his other processes on the host,
 * and would be his still when we are killed. So he gets one of his own (terminal-program.ts), where nobody else has
 * to do with the caller's: not in a pipeline, the other programs of which show and read there too, and may need Ctrl-C.
 */
import {fstatSync, readlinkSync, statSync, type Stats} from 'node:fs';
import {isatty} from 'node:tty';
import {NUMBERS, type Streams} from './streams.ts';
import {entries, statOf} from '../system/processes.ts';

export interface Terminal {
  /** Which of the three streams are to be a terminal of the user's own, by their numbers in the chain. */
  own: readonly number[];
  /** Where the caller's is on the host, if it has a name that is to be shown inside. */
  path: string | undefined;
  /** The same where bwrap would not show it by itself: it looks at standard output alone. */
  shown: string | undefined;
}

export const NO_TERMINAL: Terminal = {own: [], path: undefined, shown: undefined};

/** /dev/tty, another name of the terminal that controls who opens it. */
const CONTROLLING = 0x500;

export function terminalFor(uid: number, {files}: Streams): Terminal {
  const [first] = files.filter((fd) => isatty(fd));
  if (first === undefined) return NO_TERMINAL;
  const ofOurs = statOf('self')?.terminal;
  const terminalOf = (fd: number): number | undefined => {
    const {rdev} = fstatSync(fd);
    return rdev === CONTROLLING ? ofOurs : rdev;
  };
  const stats = fstatSync(first);
  if (uid !== 0 && uid !== stats.uid && !files.some(isPiped) && isOurs(terminalOf(first), ofOurs)) {
    const isSame = (fd: number): boolean => isatty(fd) && terminalOf(fd) === terminalOf(first);
    const own = NUMBERS.filter((_, index) => isSame(files[index] ?? -1));
    return {own, path: undefined, shown: undefined};
  }
  const path = pathOf(first, stats);
  return {own: [], path, shown: isatty(files[1] ?? -1) ? undefined : path};
}

function isPiped(fd: number): boolean {
  const stats = fstatSync(fd);
  return stats.isFIFO() || stats.isSocket();
}

/** Whether what is typed is for us: the terminal controls us, or nobody. */
function isOurs(terminal: number | undefined, ofOurs: number | undefined): boolean {
  return terminal === ofOurs || !entries().some((entry) => statOf(entry)?.terminal === terminal);
}

/** Undefined where its name is not to be had, as in a container for a terminal of the host. */
function pathOf(fd: number, {dev, ino}: Stats): string | undefined {
  const path = readlinkSync(`/proc/self/fd/${fd}`);
  const found = statSync(path, {throwIfNoEntry: false});
  return found?.dev === dev && found.ino === ino ? path : undefined;
}
