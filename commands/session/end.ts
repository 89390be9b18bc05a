import {string as stringArg} from '@oclif/core/args';
import {boolean, string} from '@oclif/core/flags';
import {endSession} from '../../src/session/commit.ts';
import {BaseCommand} from '../shared/base.ts';
import {commitOptions, messageFlags} from '../shared/commit-flags.ts';
import {agreedLoss, describeLoss} from '../shared/throw-away.ts';

export default class SessionEnd extends BaseCommand {
  static override summary =
    'End a session and remove it; with --commit its state becomes a new version first.';
  static override description =
    'Without --commit it says what is thrown away with it. At a terminal it asks first when that is more than 100 paths; ' +
    'a script is never asked.';
  static override examples = [
    '<%= config.bin %> session end build',
    '<%= config.bin %> session end build --commit -m "new libc"',
  ];
  static override args = {session: stringArg({required: true, ignoreStdin: true, description: 'id or name'})};
  static override flags = {
    ...messageFlags,
    commit: boolean({description: 'make a version of its state; prints the version id'}),
    force: boolean({
      description: 'with --commit: move the tags wherever they point now; without: do not ask',
    }),
    to: string({description: 'commit under this name', helpValue: 'IMAGE[:TAG]', dependsOn: ['commit']}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(SessionEnd);
    const store = await this.openStore(flags);
    const loss = flags.commit ? undefined : await agreedLoss(store, args.session, flags);
    const committed = await endSession(
      store,
      args.session,
      flags.commit ? {commit: {...commitOptions(flags), target: flags.to}} : {},
    );
    const ended = {id: args.session, ended: true, thrownAway: loss?.unsaved ?? null};
    this.done(flags, committed ?? ended, () => committed?.version ?? []);
    const line = loss === undefined || flags.json ? undefined : describeLoss(loss);
    if (line !== undefined) this.remark(flags, line);
  }
}
