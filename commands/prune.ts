import {string as stringArg} from '@oclif/core/args';
import {boolean, integer, string} from '@oclif/core/flags';
import {prune} from '../src/images/prune.ts';
import {formatSize, parseDuration} from '../src/units.ts';
import {BaseCommand} from './shared/base.ts';

export default class Prune extends BaseCommand {
  static override summary = 'Remove versions that no tag points to and no session uses.';
  static override examples = [
    '<%= config.bin %> prune --dry-run',
    '<%= config.bin %> prune debian --keep 5 --older-than 30d',
  ];
  static override args = {image: stringArg({ignoreStdin: true, description: 'only this image'})};
  static override flags = {
    keep: integer({min: 0, description: 'keep the newest N versions of each image', helpValue: 'N'}),
    'older-than': string({description: 'only versions older than this', helpValue: 'AGE'}),
    'dry-run': boolean({char: 'n', description: 'tell what would go, and leave it'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Prune);
    const pruned = await prune(await this.openStore(flags), {
      image: args.image,
      keep: flags.keep,
      olderThan: flags['older-than'] === undefined ? undefined : parseDuration(flags['older-than']),
      dryRun: flags['dry-run'],
    });
    this.done(flags, {...pruned, dryRun: flags['dry-run']}, () =>
      pruned.removed.map(({image, version}) => `${image}@${version}`),
    );
    for (const what of pruned.left) this.remark(flags, what);
    const count = `${pruned.removed.length} version${pruned.removed.length === 1 ? '' : 's'}, up to ${formatSize(pruned.bytes)}`;
    if (!flags.json) this.remark(flags, flags['dry-run'] ? `would remove ${count}` : `removed ${count}`);
  }
}
