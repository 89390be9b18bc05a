import {string as stringArg} from '@oclif/core/args';
import {boolean, string} from '@oclif/core/flags';
import {filterVersions} from '../src/images/filter.ts';
import {listing, type ListedVersion} from '../src/images/list.ts';
import {formatAge, formatSize} from '../src/units.ts';
import {BaseCommand} from './shared/base.ts';
import {printable, table} from './shared/table.ts';
import {versionTree} from './shared/version-tree.ts';

export default class Images extends BaseCommand {
  static override summary = 'Show the images and their versions, newest first.';
  static override description = 'SIZE is what a version takes on disk beyond the one it was made from.';
  static override examples = [
    '<%= config.bin %> images',
    '<%= config.bin %> images debian --tree',
    "<%= config.bin %> images --filter label=arch=amd64 --filter 'tag=>=1.2'",
  ];
  static override args = {image: stringArg({ignoreStdin: true, description: 'only this image'})};
  static override flags = {
    filter: string({
      multiple: true,
      multipleNonGreedy: true,
      description: 'only versions with label=K[=V], tag=TAG or tag=RANGE, tagged=true|false, message=TEXT',
      helpValue: 'KEY=VALUE',
    }),
    format: string({options: ['table', 'json', 'yaml'], description: 'table, json or yaml (default: table)'}),
    tree: boolean({description: 'show which version was made from which'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Images);
    const store = await this.openStore(flags);
    const {versions: all, damage} = listing(store, args.image);
    const versions = filterVersions(all, flags.filter ?? []);
    const {stringify} = flags.format === 'yaml' ? await import('yaml') : {stringify: undefined};
    this.answer({json: flags.json || flags.format === 'json'}, versions, () => {
      if (stringify !== undefined) return stringify(versions).trimEnd();
      return flags.tree ? versionTree(versions) : rows(versions);
    });
    for (const what of damage) this.remark(flags, what);
  }
}

function rows(versions: readonly ListedVersion[]): string[] {
  return table(
    ['IMAGE', 'TAGS', 'VERSION', 'CREATED', 'SIZE', 'MESSAGE'],
    versions.map(({image, tags, version, created, size, message}) => [
      image,
      tags.length === 0 ? '-' : tags.join(','),
      version,
      formatAge(created),
      formatSize(size),
      printable(message.split('\n')[0] ?? ''),
    ]),
  );
}
