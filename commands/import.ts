import {string as stringArg} from '@oclif/core/args';
import {string} from '@oclif/core/flags';
import {importImage} from '../src/images/import.ts';
import {interruption} from '../src/system/interruption.ts';
import {parseSize} from '../src/units.ts';
import {BaseCommand} from './shared/base.ts';
import {commitOptions, messageFlags} from './shared/commit-flags.ts';
import {labels} from './shared/run-flags.ts';

export default class Import extends BaseCommand {
  static override summary = 'Make a version from a directory, a root file system tar or a zfs stream.';
  static override description =
    'SOURCE is a directory, a tar, or a stream of zfs-send(8) where the store has the driver zfs (plain, gzip, xz or ' +
    'zstd, told by its content; - for standard input). ' +
    'Prints the id of the new version, which `latest` then points to.';
  static override examples = [
    '<%= config.bin %> import rootfs.tar.zst debian:12.0.0',
    'ssh host tar -C / -c . | <%= config.bin %> import - legacy',
  ];
  static override args = {
    source: stringArg({
      required: true,
      ignoreStdin: true,
      description: 'directory, tar, zfs stream, or - for standard input',
    }),
    image: stringArg({required: true, ignoreStdin: true, description: 'IMAGE[:TAG]'}),
  };
  static override flags = {
    ...messageFlags,
    label: string({
      multiple: true,
      multipleNonGreedy: true,
      description: 'label of the version',
      helpValue: 'K=V',
    }),
    'max-size': string({description: 'refuse what unpacks to more than this', helpValue: 'SIZE'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Import);
    const store = await this.openStore(flags);
    const committed = await importImage(store, args.source === '-' ? process.stdin : args.source, {
      ...commitOptions(flags),
      signal: interruption,
      target: args.image,
      labels: labels(flags.label),
      maxSize: flags['max-size'] === undefined ? undefined : parseSize(flags['max-size']),
    });
    this.done(flags, committed, () => committed.version);
  }
}
