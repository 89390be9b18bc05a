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
