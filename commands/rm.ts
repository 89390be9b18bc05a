import {string as stringArg} from '@oclif/core/args';
import {boolean} from '@oclif/core/flags';
import {removeReference, type Removed} from '../src/images/remove.ts';
import {BaseCommand} from './shared/base.ts';

export default class Rm extends BaseCommand {
  static override summary = 'Remove versions, or whole images.';
  static override description =
    'IMAGE:TAG and IMAGE@VERSION name one version, IMAGE alone all of them. What has tags is removed only with ' +
    '--force, what a session uses never. Versions that were made from a removed one keep working.';
  static override examples = ['<%= config.bin %> rm debian@01k8x2', '<%= config.bin %> rm --force old-image'];
  static override strict = false;
  static override args = {
    reference: stringArg({required: true, ignoreStdin: true, description: 'versions or images'}),
  };
  static override flags = {force: boolean({char: 'f', description: 'also if it has tags'})};

  async run(): Promise<void> {
    const {argv, flags} = await this.parse(Rm);
    const store = await this.openStore(flags);
    let removed: Removed[] = [];
    for (const reference of argv.map(String))
      removed = [...removed, ...(await removeReference(store, reference, {force: flags.force}))];
    this.done(flags, removed, () => removed.map(({image, version}) => `${image}@${version}`));
  }
}
