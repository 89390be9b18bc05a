/** One command from its words to its exit code: what the bundle of each command starts. */
import {installedIn} from '../../src/system/installed.ts';
import {watchForInterruption} from '../../src/system/interruption.ts';
import {failedCode, reportFailure} from './failure.ts';
import {exitCodeAtEnd} from './output.ts';
import {takePassthrough} from './passthrough.ts';
import {watchForTheUnforeseen} from './unforeseen.ts';

/** A command's class. */
export interface Executable {
  id: string;
  run(argv: readonly string[]): Promise<void>;
}

/** `argv`: all words of the command line; `depth` of them name the command. `directory`: where the program's other files are. */
export async function execute(
  command: Executable,
  argv: readonly string[],
  depth: number,
  directory: string,
): Promise<void> {
  installedIn(directory);
  const own = takePassthrough(argv);
  watchForTheUnforeseen(own);
  watchForInterruption();
  try {
    await command.run(own.slice(depth));
  } catch (error) {
    process.exitCode = reportFailure(error, own);
  }
  process.exitCode = exitCodeAtEnd(Number(process.exitCode ?? 0), failedCode(own));
}
