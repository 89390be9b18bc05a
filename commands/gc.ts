import {boolean, string} from '@oclif/core/flags';
import {ChrootctlError, messageOf} from '../src/errors.ts';
import {collect, wouldCollect} from '../src/upkeep/collect.ts';
import {BaseCommand} from './shared/base.ts';

export default class Gc extends BaseCommand {
  static override summary =
    'Collect what crashes left: dead sessions, volumes nobody names, mounts, temporary files.';
  static override description =
    'Safe at any time, beside anything. Versions are never touched: prune does that. A volume that may be of somebody whose ' +
    'record is lost or cannot be read is left, and named: --give-up is for when no backup has that record.';
  static override examples = ['<%= config.bin %> gc', '<%= config.bin %> gc --dry-run'];
  static override flags = {
    transfers: boolean({
      description: 'also give up imports that broke off and could go on (else after 7 days)',
    }),
    'give-up': string({
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'WHAT',
      description:
        'also a volume that would be left, by its id, or a record that cannot be read, by its path',
    }),
    'dry-run': boolean({char: 'n', description: 'tell what would be collected, and leave it'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(Gc);
    const store = await this.openStore(flags);
    const options = {transfers: flags.transfers, giveUp: flags['give-up'] ?? []};
    const {collected, failed, left} = flags['dry-run']
      ? await wouldCollect(store, options)
      : await collect(store, options);
    this.done(
      flags,
      {
        collected: collected.map(({kind, what}) => ({kind, what})),
        failed: failed.map(({leftover, error}) => ({
          kind: leftover.kind,
          what: leftover.what,
          why: messageOf(error),
        })),
        left,
      },
      () => collected.map(({what}) => what),
    );
    for (const what of left) this.remark(flags, what);
    for (const {leftover, error} of failed) this.remark(flags, `${leftover.what}: ${messageOf(error)}`);
    if (failed.length > 0) {
      throw new ChrootctlError(
        'BUSY',
        `${failed.length} of ${collected.length + failed.length} could not be collected`,
        {
          hint: 'chrootctl doctor tells more; try again when nothing holds them',
        },
      );
    }
  }
}
