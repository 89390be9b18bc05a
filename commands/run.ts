import {boolean, option, string} from '@oclif/core/flags';
import {takeSucceeded} from '../src/sandbox/succession.ts';
import {concludeRun} from '../src/session/conclude.ts';
import {ReportFile} from '../src/session/report.ts';
import {run} from '../src/session/run.ts';
import {referenceArg} from './shared/reference-arg.ts';
import {commitOptions, messageFlags} from './shared/commit-flags.ts';
import {takeCommitFlag} from './shared/commit-flag.ts';
import {passthrough} from './shared/passthrough.ts';
import {labels, reportFlags, runFlags, runOptions, storageFlags} from './shared/run-flags.ts';
import {isInteractive, RunnerCommand} from './shared/runner.ts';

export default class Run extends RunnerCommand {
  static override summary = 'Run a command in a fresh clone of a version, and throw the clone away.';
  static override description =
    'The exit code is that of the command; 125 if chrootctl failed, 126 if the command cannot be executed, 127 if ' +
    'there is none of that name. With --commit the result becomes the next version, if the command ends with 0. If not, ' +
    'what it has done is kept as a session when it ran at a terminal, and is thrown away else. With 4 a tag had moved, and ' +
    'a session keeps the work; with 8 the version is made, and something that comes after it failed.';
  static override usage = 'run REF [FLAGS] -- COMMAND…';
  static override examples = [
    '<%= config.bin %> run debian -- cat /etc/os-release',
    "<%= config.bin %> run 'debian:^1.2' -v .:/src:ro -w /src --network none -- make check",
    '<%= config.bin %> run debian --commit=1.3.0 -m "with git" -- apt-get install -y git',
  ];
  static override args = {reference: referenceArg};
  static override flags = {
    ...runFlags,
    ...reportFlags,
    ...storageFlags,
    ...messageFlags,
    commit: boolean({description: 'keep the result as a new version (--commit=TAG: under that tag too)'}),
    'commit-tag': string({hidden: true}),
    clone: option({
      options: ['auto', 'native'] as const,
      default: 'auto',
      description:
        "a clone of the driver's own kind, or where nothing is kept what is made sooner: an overlay",
    })(),
    keep: boolean({description: 'keep the session'}),
    name: string({description: 'keep the session under this name', helpValue: 'NAME'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Run, takeCommitFlag(this.argv));
    const tag = flags['commit-tag'];
    const report = flags.report === undefined ? undefined : new ReportFile(flags.report);
    const store = await this.openStore(flags);
    const succeeded = takeSucceeded();
    const request = {
      reference: args.reference,
      command: passthrough() ?? [],
      options: runOptions(flags),
      labels: labels(flags.label),
      clone: flags.clone,
      keep: flags.keep,
      name: flags.name,
      commit:
        flags.commit || tag !== undefined || flags.bump !== undefined
          ? {...commitOptions(flags), tag}
          : undefined,
      measured: report !== undefined,
      onFailure: isInteractive() ? 'keep' : 'discard',
      mayBeSucceeded: true,
    } as const;
    const result = await (succeeded === undefined ? run(store, request) : concludeRun(store, succeeded));
    await this.measured(report, result);
    this.report(flags, result, {...flags, tag});
  }
}
