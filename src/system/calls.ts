/**
 * System calls that Node has not, by a small program that makes one and ends (native/supervisor/calling.c). Where that is
 * missing, programs of the system do the same and take longer to start.
 */
import {supervisorProgram} from './installed.ts';

export type Call =
  /** flock(2) of a descriptor that the program inherits, exclusive; it waits for it. */
  | readonly ['lock', number]
  /** The same, or shared, without waiting; exit code `TAKEN` when it is another's. */
  | readonly ['lock-now' | 'share-now', number]
  /** umount2(2) of what is mounted at a path. */
  | readonly ['unmount', string]
  /** Gives the second path the times of the first, in nanoseconds; Node's own have microseconds. */
  | readonly ['times', string, string]
  /** syncfs(2), of standard input; then trees to look through (write-back.ts). Exit code `LOST` when data was lost. */
  | readonly ['sync', ...string[]];

export const TAKEN = 100;
export const LOST = 3;

/** The words that make a call; those of another program where there is none for it. */
export function callWords(
  call: Call,
  otherwise: () => readonly [string, ...string[]],
): [string, ...string[]] {
  const program = supervisorProgram();
  return program === undefined ? [...otherwise()] : [program, 'call', ...call.map(String)];
}
