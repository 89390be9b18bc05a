import {string as stringArg} from '@oclif/core/args';
import {untagVersion} from '../src/images/tags.ts';
import {BaseCommand} from './shared/base.ts';

export default class Untag extends BaseCommand {
  static override summary = 'Drop a tag. The version stays until it is removed or pruned.';
  static override examples = ['<%= config.bin %> untag debian:stable'];
  static override args = {tag: stringArg({required: true, ignoreStdin: true, description: 'IMAGE:TAG'})};

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Untag);
    const moved = await untagVersion(await this.openStore(flags), args.tag);
    this.done(flags, moved, () => `${moved.image}:${moved.tag} dropped (it was ${moved.from ?? ''})`);
  }
}
