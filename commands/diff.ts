import {string as stringArg} from '@oclif/core/args';
import {diff} from '../src/images/diff.ts';
import {BaseCommand} from './shared/base.ts';
import {printable} from './shared/table.ts';

const LETTERS = {added: 'A', changed: 'C', deleted: 'D'};

export default class Diff extends BaseCommand {
  static override summary = 'Show the paths that were added (A), changed (C) and deleted (D).';
  static override description =
    'Between two versions, from A to B; of A alone: a session against its version, or a version against its parent.';
  static override examples = ['<%= config.bin %> diff build', '<%= config.bin %> diff debian:1.3.0 debian'];
  static override args = {
    a: stringArg({required: true, ignoreStdin: true, description: 'a version or a session'}),
    b: stringArg({ignoreStdin: true, description: 'a version or a session'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Diff);
    const changes = diff(await this.openStore(flags), args.a, args.b);
    await this.answerEach(flags, changes, ({path, kind}) => `${LETTERS[kind]} ${printable(path)}`);
  }
}
