import {string as stringArg} from '@oclif/core/args';
import {commitSession} from '../src/session/commit.ts';
import {BaseCommand} from './shared/base.ts';
import {commitOptions, describeCommit, messageFlags} from './shared/commit-flags.ts';

export default class Commit extends BaseCommand {
  static override summary =
    "Make a new version from a session's state, and move `latest` to it. Prints the version id.";
  static override description =
    'If `latest` has moved since the session began, nothing is changed and the exit code is 4: start again on the new ' +
    'version, commit under another tag (IMAGE:TAG), or overwrite with --force. The session goes on. ' +
    'With 8 the version is made, and something that comes after it failed: the message says which and what.';
  static override examples = [
    '<%= config.bin %> commit build -m "with git"',
    '<%= config.bin %> commit build debian:1.4.0',
    '<%= config.bin %> commit build --bump minor',
  ];
  static override args = {
    session: stringArg({required: true, ignoreStdin: true, description: 'id or name'}),
    image: stringArg({ignoreStdin: true, description: "IMAGE[:TAG] (default: the session's image)"}),
  };
  static override flags = messageFlags;

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Commit);
    const store = await this.openStore(flags);
    const committed = await commitSession(store, args.session, {...commitOptions(flags), target: args.image});
    if (!committed.tags.includes('latest')) this.remark(flags, describeCommit(committed));
    this.done(flags, committed, () => committed.version);
  }
}
