/** What run and update say of how it went. stdout is the command's: what we have to say goes beside it. */
import {isatty} from 'node:tty';
import type {ReportFile} from '../../src/session/report.ts';
import {signalOf} from '../../src/system/death.ts';
import {commitLine, type CommitWords} from '../../src/session/failed-commit.ts';
import {madeOf} from '../../src/session/publish.ts';
import type {RunResult} from '../../src/session/run.ts';
import {telling} from '../../src/store/commit-point.ts';
import {BaseCommand} from './base.ts';
import {describeCommit} from './commit-flags.ts';
import {complain, markDone} from './output.ts';

interface RunnerFlags {
  json: boolean;
  quiet: boolean;
  memory?: string | undefined;
  timeout?: string | undefined;
}

export abstract class RunnerCommand extends BaseCommand {
  protected override readonly takesCommand = true;

  /** Writes what the command took, where that was asked for. @throws Incomplete for one whose result is committed */
  protected async measured(report: ReportFile | undefined, result: RunResult): Promise<void> {
    await telling((tell) => {
      if (result.committed !== undefined) tell(madeOf(result.committed));
      report?.write(result);
      return Promise.resolve();
    });
  }

  /** Ends with the command's exit code. */
  protected report(flags: RunnerFlags, result: RunResult, wanted: CommitWords): void {
    const {committed, uncommitted, session, advice} = result;
    for (const line of limitsMet(flags, result)) this.remark(flags, line);
    if (advice !== undefined) this.remark(flags, advice);
    if (committed !== undefined) {
      markDone();
      if (flags.json) this.outcome(committed);
      else this.remark(flags, describeCommit(committed));
    }
    if (uncommitted !== undefined) {
      const {image, parent, work} = uncommitted;
      const {exitCode, timedOut} = result;
      // No remark: what was asked for has not come to be, and only here is it said where the work is.
      if (flags.json)
        this.outcome({
          image,
          version: null,
          tags: [],
          parent,
          exitCode,
          timedOut,
          work,
          session: session ?? null,
        });
      else complain(describeFailure(result, wanted));
    } else if (session !== undefined) this.remark(flags, `session ${session} is kept`);
    process.exitCode = result.exitCode;
  }

  private outcome(value: object): void {
    complain(`${JSON.stringify(value, null, 2)}\n`);
  }
}

/** Whether a person is at work, who would have to do it all again; to be asked before the terminal can be gone. */
export function isInteractive(): boolean {
  return isatty(0) && (isatty(1) || isatty(2));
}

function describeFailure({exitCode, timedOut, uncommitted, session}: RunResult, wanted: CommitWords): string {
  const signal = signalOf(exitCode);
  const cause = timedOut ? ' (timed out)' : signal === null ? '' : ` (${signal})`;
  const line = `not committed: the command ended with ${exitCode}${cause}`;
  if (session !== undefined && uncommitted !== undefined)
    return `${line}; session ${session} keeps the work\n  ${waysOn(session, uncommitted.image, wanted)}\n`;
  return `${line}${uncommitted?.work === 'unchanged' ? '; it has changed nothing' : ''}\n`;
}

/** Which of the limits ended it, or a part of it: by its exit code alone nobody can tell. */
function limitsMet({memory, timeout}: RunnerFlags, {timedOut, outOfMemory = 0}: RunResult): string[] {
  const limit = (text: string | undefined): string => (text === undefined ? '' : ` (limit ${text})`);
  return [
    ...(outOfMemory > 0 ? [`killed: out of memory${limit(memory)}`] : []),
    ...(timedOut ? [`killed: out of time${limit(timeout)}`] : []),
  ];
}

function waysOn(session: string, image: string, wanted: CommitWords): string {
  return (
    `commit it (${commitLine(session, image, wanted)}), ` +
    `look at it (chrootctl diff ${session}), go on (chrootctl exec ${session}), ` +
    `or throw it away (chrootctl session rm ${session})`
  );
}
