import {string as stringArg} from '@oclif/core/args';
import {rollback} from '../src/images/tags.ts';
import {BaseCommand} from './shared/base.ts';

export default class Rollback extends BaseCommand {
  static override summary = 'Move `latest` back to where it was before, or to a given version.';
  static override description = 'Nothing is lost: a second rollback without REF takes the first one back.';
  static override examples = ['<%= config.bin %> rollback debian', '<%= config.bin %> rollback debian 1.3.0'];
  static override args = {
    image: stringArg({required: true, ignoreStdin: true, description: 'the image'}),
    reference: stringArg({ignoreStdin: true, description: 'a tag, range or version of it'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Rollback);
    const moved = await rollback(await this.openStore(flags), args.image, args.reference);
    this.done(
      flags,
      moved,
      () => `${moved.image}:latest -> ${moved.to ?? ''} (it was ${moved.from ?? 'unset'})`,
    );
  }
}
