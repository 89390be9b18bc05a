/**
 * The outer link as a small static program (native/supervisor.c), which starts in a fraction of perl's time. It is built
 * where there is a compiler for it. A command that gets a terminal of its own or new privileges is perl's, and all where
 * it is missing (outer-program.ts).
 */
import {supervisorProgram} from '../system/installed.ts';
import {LOCKED_MODE} from '../system/life.ts';
import {AT_START, DESCRIPTORS} from './chain.ts';

/** The words that start it: descriptors as it gets them, and the mode of a file that is locked for life. */
export function supervisorWords(): string[] | undefined {
  const program = supervisorProgram();
  if (program === undefined) return undefined;
  const {told, setup, status, first} = AT_START;
  const {stdin, stderr} = DESCRIPTORS;
  return [program, ...[told, setup, status, stdin, stderr, first].map(String), LOCKED_MODE.toString(8)];
}

/** True where the build has the supervisor make the sandbox by itself: a trial (docs/without-bubblewrap.md). */
declare const CHROOTCTL_OWN_WALL: boolean | undefined;

export function hasOwnWall(): boolean {
  return typeof CHROOTCTL_OWN_WALL === 'boolean' && CHROOTCTL_OWN_WALL;
}

/**
 * How many processes there are between the outermost process and the command (chain.ts draws the tree).
 * @param isSupervised whether the supervisor starts it, not perl
 * @param isHeld whether it comes into a sandbox that is held
 */
export function processesBetween({
  isSupervised,
  isHeld = false,
}: {
  isSupervised: boolean;
  isHeld?: boolean;
}): number {
  if (isHeld) return 1;
  return isSupervised && hasOwnWall() ? 1 : 2;
}
