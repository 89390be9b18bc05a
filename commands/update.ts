import {string as stringArg} from '@oclif/core/args';
import {integer} from '@oclif/core/flags';
import {ReportFile} from '../src/session/report.ts';
import {update} from '../src/session/update.ts';
import {commitOptions, messageFlags} from './shared/commit-flags.ts';
import {passthrough} from './shared/passthrough.ts';
import {labels, reportFlags, runFlags, runOptions, storageFlags} from './shared/run-flags.ts';
import {isInteractive, RunnerCommand} from './shared/runner.ts';

export default class Update extends RunnerCommand {
  static override summary =
    'Change an image safely: run a command on its latest version and commit the result.';
  static override description =
    'When another commit got there first, the command is run again on the new version, a bounded number of times; ' +
    'then the exit code is 4 and nothing has changed. A command that fails changes nothing, and its exit code is ours; ' +
    'what it has done at a terminal is kept as a session.';
  static override usage = 'update IMAGE [FLAGS] -- COMMAND…';
  static override examples = [
    '<%= config.bin %> update debian --bump patch -- sh -c "apt-get update && apt-get -y upgrade"',
  ];
  static override args = {image: stringArg({required: true, ignoreStdin: true, description: 'the image'})};
  static override flags = {
    ...runFlags,
    ...reportFlags,
    ...storageFlags,
    ...messageFlags,
    retries: integer({description: 'runs again after a conflict', default: 3, min: 0, helpValue: 'N'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Update);
    const report = flags.report === undefined ? undefined : new ReportFile(flags.report);
    const result = await update(await this.openStore(flags), {
      image: args.image,
      command: passthrough() ?? [],
      options: runOptions(flags),
      labels: labels(flags.label),
      commit: commitOptions(flags),
      retries: flags.retries,
      onRetry: (conflict) => this.remark(flags, `${conflict.message}: running again`),
      measured: report !== undefined,
      onFailure: isInteractive() ? 'keep' : 'discard',
    });
    await this.measured(report, result);
    this.report(flags, result, flags);
  }
}
