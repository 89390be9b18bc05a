import {string as stringArg} from '@oclif/core/args';
import {boolean} from '@oclif/core/flags';
import {exec} from '../src/session/exec.ts';
import {ReportFile} from '../src/session/report.ts';
import {passthrough} from './shared/passthrough.ts';
import {reportFlags, runFlags, runOptions} from './shared/run-flags.ts';
import {RunnerCommand} from './shared/runner.ts';

const {label: _label, ...execFlags} = runFlags;

export default class Exec extends RunnerCommand {
  static override summary = 'Run a command in a kept session.';
  static override description =
    'Commands of a session share its processes: what one leaves running is there for the next, until the session is ended. ' +
    'One with other walls than the session has, or with limits, has a sandbox of its own.';
  static override usage = 'exec SESSION [FLAGS] -- COMMAND…';
  static override examples = [
    '<%= config.bin %> exec build -- make',
    '<%= config.bin %> exec build -u nobody -- id',
  ];
  static override args = {session: stringArg({required: true, ignoreStdin: true, description: 'id or name'})};
  static override flags = {
    ...execFlags,
    ...reportFlags,
    testbed: boolean({hidden: true, description: 'of our own failures autopkgtest is told by 255'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Exec);
    const store = await this.openStore(flags);
    const report = flags.report === undefined ? undefined : new ReportFile(flags.report);
    const result = await exec(store, args.session, {
      command: passthrough() ?? [],
      options: runOptions(flags),
      measured: report !== undefined,
    });
    report?.write(result);
    this.report(flags, result, {});
  }
}
