import {string as stringArg} from '@oclif/core/args';
import {boolean, string} from '@oclif/core/flags';
import {endSession} from '../../src/session/commit.ts';
import {BaseCommand} from '../shared/base.ts';
import {commitOptions, messageFlags} from '../shared/commit-flags.ts';

export default class SessionEnd extends BaseCommand {
  static override summary =
    'End a session and remove it; with --commit its state becomes a new version first.';
  static override examples = [
    '<%= config.bin %> session end build',
    '<%= config.bin %> session end build --commit -m "new libc"',
  ];
  static override args = {session: stringArg({required: true, ignoreStdin: true, description: 'id or name'})};
  static override flags = {
    ...messageFlags,
    commit: boolean({description: 'make a version of its state; prints the version id'}),
    to: string({description: 'commit under this name', helpValue: 'IMAGE[:TAG]', dependsOn: ['commit']}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(SessionEnd);
    const store = await this.openStore(flags);
    const committed = await endSession(
      store,
      args.session,
      flags.commit ? {commit: {...commitOptions(flags), target: flags.to}} : {},
    );
    this.answer(flags, committed ?? {id: args.session, ended: true}, () => committed?.version ?? []);
  }
}
