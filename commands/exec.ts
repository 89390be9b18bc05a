import {string as stringArg} from '@oclif/core/args';
import {exec} from '../src/session/exec.ts';
import {BaseCommand} from './shared/base.ts';
import {passthrough} from './shared/passthrough.ts';
import {runFlags, runOptions} from './shared/run-flags.ts';

const {label: _label, ...execFlags} = runFlags;

export default class Exec extends BaseCommand {
  static override summary = 'Run a command in a kept session.';
  static override usage = 'exec SESSION [FLAGS] -- COMMAND…';
  static override examples = [
    '<%= config.bin %> exec build -- make',
    '<%= config.bin %> exec build -u nobody -- id',
  ];
  static override args = {session: stringArg({required: true, ignoreStdin: true, description: 'id or name'})};
  static override flags = execFlags;
  protected override readonly takesCommand = true;

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Exec);
    const store = await this.openStore(flags);
    const {exitCode} = await exec(store, args.session, {
      command: passthrough() ?? [],
      options: runOptions(flags),
    });
    process.exitCode = exitCode;
  }
}
