import {reportFailure} from './failure.ts';

/** For the program's start: what nobody waits for, and no one has foreseen, ends it with one line as everything else. */
export function watchForTheUnforeseen(argv: readonly string[]): void {
  // What is left then is collected as after a crash.
  process.on('uncaughtException', (error) => process.exit(reportFailure(error, argv)));
  // Else a limit on the size of files (ulimit -f) kills the program; so, the write that meets it fails.
  process.on('SIGXFSZ', () => undefined);
}
