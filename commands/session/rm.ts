import {string as stringArg} from '@oclif/core/args';
import {boolean} from '@oclif/core/flags';
import {removeSession} from '../../src/session/remove.ts';
import {BaseCommand} from '../shared/base.ts';

export default class SessionRm extends BaseCommand {
  static override summary = 'Remove sessions and what is in them.';
  static override examples = [
    '<%= config.bin %> session rm build test',
    '<%= config.bin %> session rm --force build',
  ];
  static override strict = false;
  static override args = {
    session: stringArg({required: true, ignoreStdin: true, description: 'ids or names'}),
  };
  static override flags = {force: boolean({char: 'f', description: 'kill what runs in it'})};

  async run(): Promise<void> {
    const {argv, flags} = await this.parse(SessionRm);
    const store = await this.openStore(flags);
    const removed = argv.map(String);
    for (const id of removed) await removeSession(store, id, {force: flags.force});
    this.answer(
      flags,
      removed.map((id) => ({id, removed: true})),
      () => removed,
    );
  }
}
