import {string as stringArg} from '@oclif/core/args';
import {tagVersion} from '../src/images/tags.ts';
import {BaseCommand} from './shared/base.ts';

export default class Tag extends BaseCommand {
  static override summary = 'Point a tag at a version.';
  static override examples = [
    '<%= config.bin %> tag debian stable',
    '<%= config.bin %> tag debian@01k8 1.4.2',
  ];
  static override args = {
    reference: stringArg({required: true, ignoreStdin: true, description: 'the version'}),
    tag: stringArg({required: true, ignoreStdin: true, description: 'the tag, of the same image'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Tag);
    const moved = await tagVersion(await this.openStore(flags), args.reference, args.tag);
    this.done(flags, moved, () => `${moved.image}:${moved.tag} -> ${moved.to ?? ''}`);
  }
}
