/** Help, which is the framework's, the version, and the answer to words that name no command. */
import {run} from '@oclif/core/run';
import {closest, distance} from 'fastest-levenshtein';
import {ChrootctlError} from '../../src/errors.ts';
import {RUNTIME} from '../../src/system/runtime.ts';
import {VERSION} from '../../src/version.ts';
import {reportFailure} from './failure.ts';
import {asksForHelp, findCommand, isTopic} from './find-command.ts';
import {print} from './output.ts';
import {watchForTheUnforeseen} from './unforeseen.ts';

/**
 * `words`: the command line up to a `--`; `ids`: all commands; `directory`: where the framework's settings and manifest are.
 */
export async function answerWithoutCommand(
  words: readonly string[],
  ids: readonly string[],
  directory: string,
): Promise<void> {
  watchForTheUnforeseen(words);
  // What the framework says goes where all goes that we say.
  // eslint-disable-next-line no-console -- by which it says it
  console.log = (text = '') => print(`${String(text)}\n`);
  const subject = words
    .filter((word) => word !== '--help' && word !== '-h')
    .slice(words[0] === 'help' ? 1 : 0);
  try {
    if (words[0] === '--version') {
      print(`chrootctl/${VERSION} ${process.platform}-${process.arch} ${RUNTIME.name}-v${RUNTIME.version}\n`);
      return;
    }
    const isKnown =
      subject.length === 0
        ? asksForHelp(words)
        : findCommand(subject, ids) !== undefined ||
          // A topic alone lists its commands; with a word more, that word is wrong.
          (isTopic(subject[0], ids) && (subject[1]?.startsWith('-') ?? true));
    if (!isKnown) throw noSuchCommand(subject, ids);
    await run([...subject, '--help'], {root: directory});
  } catch (error) {
    process.exitCode = reportFailure(error, words);
  }
}

function noSuchCommand(words: readonly string[], ids: readonly string[]): ChrootctlError {
  const [first = '', second] = words;
  if (first.startsWith('-')) {
    return new ChrootctlError('USAGE', `'${first}' is not a command`, {
      hint: 'the command comes first, as in: chrootctl images --json',
    });
  }
  const wanted = isTopic(first, ids) && second !== undefined ? `${first} ${second}` : first;
  const names = ids.map((id) => id.replace(':', ' '));
  const near = closest(wanted, names);
  const isNear = distance(wanted, near) <= Math.max(1, Math.floor(wanted.length / 3));
  return new ChrootctlError('USAGE', `there is no command '${wanted}'`, {
    hint: isNear ? `did you mean ${near}? chrootctl help shows all` : 'chrootctl help shows the commands',
  });
}
