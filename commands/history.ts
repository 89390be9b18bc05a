import {string as stringArg} from '@oclif/core/args';
import {boolean} from '@oclif/core/flags';
import {listHistory, listVersions} from '../src/images/list.ts';
import {formatAge} from '../src/units.ts';
import {BaseCommand} from './shared/base.ts';
import {printable, table} from './shared/table.ts';
import {versionTree} from './shared/version-tree.ts';

export default class History extends BaseCommand {
  static override summary = 'Show who moved which tag when, newest first.';
  static override examples = ['<%= config.bin %> history debian', '<%= config.bin %> history debian --graph'];
  static override args = {image: stringArg({required: true, ignoreStdin: true, description: 'the image'})};
  static override flags = {graph: boolean({description: 'draw which version was made from which'})};

  async run(): Promise<void> {
    const {args, flags} = await this.parse(History);
    const store = await this.openStore(flags);
    const moves = listHistory(store, args.image);
    const shown = moves.map(({time, tag, from, to, by, action, message}) => ({
      time,
      tag,
      from,
      to,
      by,
      action,
      message,
    }));
    this.answer(flags, shown, () =>
      flags.graph
        ? versionTree(listVersions(store, args.image))
        : table(
            ['TIME', 'TAG', 'FROM', 'TO', 'BY', 'ACTION', 'MESSAGE'],
            moves.map(({time, tag, from, to, by, action, message}) => [
              formatAge(time),
              tag,
              from ?? '-',
              to ?? '-',
              by,
              action,
              printable(message.split('\n')[0] ?? ''),
            ]),
          ),
    );
  }
}
