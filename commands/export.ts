import {string as stringArg} from '@oclif/core/args';
import {string} from '@oclif/core/flags';
import {chooseCompression} from '../src/archive/compression.ts';
import {refuseTerminal} from '../src/archive/output.ts';
import {ChrootctlError} from '../src/errors.ts';
import {exportVersion} from '../src/images/export.ts';
import {exportForSbuild} from '../src/sbuild/export.ts';
import {exportStream, resumeStream} from '../src/images/send.ts';
import {interruption} from '../src/system/interruption.ts';
import {BaseCommand} from './shared/base.ts';

interface StoreFlags {
  root: string | undefined;
  driver: string | undefined;
}

/** Its number. */
const STDOUT = 1;

export default class Export extends BaseCommand {
  static override summary = "Write a version's root file system as a tar, or as a stream of zfs-send(8).";
  static override description =
    'With --format zfs (a store with the driver zfs) the version goes as it is, with message, labels and run config; ' +
    'with --from only as what it has more than an ancestor that the receiver has. With --resume there is no REFERENCE: ' +
    'the rest of an import that broke off is written, which has told the TOKEN.';
  static override usage = [
    'export (REFERENCE | --resume TOKEN) FILE',
    'export REFERENCE --for sbuild [--dist NAME]',
  ];
  static override examples = [
    '<%= config.bin %> export debian debian.tar.zst',
    '<%= config.bin %> export debian:1.2.0 - | ssh host <%= config.bin %> import - debian:1.2.0',
    '<%= config.bin %> export debian --for sbuild',
    '<%= config.bin %> export debian - --format zfs --from debian:1.2.0 | ssh host <%= config.bin %> import - debian',
  ];
  static override args = {
    reference: stringArg({required: true, ignoreStdin: true, description: 'the version'}),
    file: stringArg({ignoreStdin: true, description: 'the file, or - for standard output'}),
  };
  static override flags = {
    format: string({options: ['tar', 'zfs'], default: 'tar', description: 'format of the archive'}),
    from: string({description: 'zfs: write the difference to this ancestor', helpValue: 'REFERENCE'}),
    resume: string({
      description: 'zfs: write the rest of what an import that broke off has not got',
      helpValue: 'TOKEN',
      exclusive: ['from'],
    }),
    for: string({
      options: ['sbuild'],
      description:
        'write the tarball that its mode unshare looks for, if it is not of this version; prints its path',
      exclusive: ['format', 'from', 'resume', 'compression'],
    }),
    dist: string({
      description:
        "sbuild: the distribution in the tarball's name (default: the image's name, else the root's codename)",
      helpValue: 'NAME',
      dependsOn: ['for'],
    }),
    compression: string({
      options: ['none', 'gzip', 'xz', 'zstd'],
      description: "default: as the file's name says, else none",
    }),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Export);
    if (flags.for !== undefined) return this.#forSbuild(args, flags);
    const [reference, file] =
      flags.resume === undefined ? [args.reference, args.file] : [args.file, args.reference];
    if (file === undefined) throw usage('the FILE to write is missing', 'give its name, or -');
    if (flags.resume !== undefined && reference !== undefined)
      throw usage('--resume takes only a FILE', 'the token says which version it is');
    if (flags.from !== undefined && flags.format !== 'zfs')
      throw usage('--from needs --format zfs', 'a tar always holds the whole version');
    if (file === '-') refuseTerminal(1, 'standard output');
    const store = await this.openStore(flags);
    const out = file === '-' ? STDOUT : file;
    const options = {signal: interruption, compression: chooseCompression(flags.compression, file)};
    if (flags.resume !== undefined) return resumeStream(store, flags.resume, out, options);
    if (flags.format === 'zfs')
      return exportStream(store, reference ?? '', out, {...options, from: flags.from});
    return exportVersion(store, reference ?? '', out, options);
  }

  async #forSbuild(
    {reference, file}: {reference: string; file: string | undefined},
    flags: StoreFlags & {json: boolean; quiet: boolean; dist: string | undefined},
  ): Promise<void> {
    if (file !== undefined) throw usage('--for sbuild takes no FILE', 'sbuild says where the tarball is');
    const made = await exportForSbuild(await this.openStore(flags), reference, {dist: flags.dist});
    const {path, image, version, written, rivals} = made;
    if (!written) this.remark(flags, `it is of ${image}@${version} already`);
    for (const name of rivals)
      this.remark(flags, `sbuild may take ${name} instead, which is beside it: remove one`);
    if (written) this.done(flags, made, () => path);
    else this.answer(flags, made, () => path);
  }
}

function usage(message: string, hint: string): ChrootctlError {
  return new ChrootctlError('USAGE', message, {hint});
}
