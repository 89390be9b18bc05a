import {BaseCommand} from './shared/base.ts';
import {sessionTable} from './shared/session-table.ts';
import {listSessions} from '../src/session/list.ts';

export default class Ps extends BaseCommand {
  static override summary = 'Show the sessions.';
  static override examples = ['<%= config.bin %> ps', '<%= config.bin %> ps --json'];

  async run(): Promise<void> {
    const {flags} = await this.parse(Ps);
    const sessions = listSessions(await this.openStore(flags));
    this.answer(flags, sessions, () => sessionTable(sessions));
  }
}
