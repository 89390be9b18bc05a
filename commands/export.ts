import {string as stringArg} from '@oclif/core/args';
import {string} from '@oclif/core/flags';
import {chooseCompression} from '../src/archive/compression.ts';
import {exportVersion} from '../src/images/export.ts';
import {interruption} from '../src/system/interruption.ts';
import {BaseCommand} from './shared/base.ts';
import {stdout} from './shared/stdout.ts';

export default class Export extends BaseCommand {
  static override summary = "Write a version's root file system as a tar.";
  static override examples = [
    '<%= config.bin %> export debian debian.tar.zst',
    '<%= config.bin %> export debian:1.2.0 - | ssh host <%= config.bin %> import - debian:1.2.0',
  ];
  static override args = {
    reference: stringArg({required: true, ignoreStdin: true, description: 'the version'}),
    file: stringArg({required: true, ignoreStdin: true, description: 'the file, or - for standard output'}),
  };
  static override flags = {
    format: string({options: ['tar'], default: 'tar', description: 'format of the archive'}),
    compression: string({
      options: ['none', 'gzip', 'xz', 'zstd'],
      description: "default: as the file's name says, else none",
    }),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Export);
    const store = await this.openStore(flags);
    await exportVersion(store, args.reference, args.file === '-' ? stdout() : args.file, {
      signal: interruption,
      compression: chooseCompression(flags.compression, args.file),
    });
  }
}
