/**
 * One call of the program that fails, as on a failing or a full disk: what was not told to be done has not happened, and what
 * has happened is told with the version's name. Here one call of each command; `CHROOTCTL_FAULTS=all` tries every one.
 */
import {expect, test} from '@jest/globals';
import {busyboxRoot, Cli} from '../cli/chrootctl.ts';
import {errorsOf} from './calls.ts';
import {COMMANDS, Laboratory} from './faults.ts';

const ALL = process.env['CHROOTCTL_FAULTS'] === 'all';
function any<T>(list: readonly T[]): T[] {
  return ALL ? [...list] : list.slice(Math.floor(Math.random() * list.length)).slice(0, 1);
}

test.each(['overlay', 'directory'])(
  'whatever call fails on %s, nothing is done that is not told, and nothing told that is not done',
  async (driver) => {
    const cli = new Cli({driver});
    const laboratory = new Laboratory(cli, busyboxRoot());
    await laboratory.prepare();
    const wrong: string[] = [];
    for (const command of Object.keys(COMMANDS))
      for (const call of any(await laboratory.calls(command)))
        for (const errno of any(errorsOf(call)))
          wrong.push(...(await laboratory.try({...call, command, errno})));
    expect(wrong).toEqual([]);
  },
  ALL ? 3_600_000 : 120_000,
);
