import {boolean} from '@oclif/core/flags';
import {BaseCommand} from './shared/base.ts';
import {sessionTable} from './shared/session-table.ts';
import {listSessions, listSessionsWithSizes} from '../src/session/list.ts';

export default class Ps extends BaseCommand {
  static override summary = 'Show the sessions.';
  static override examples = ['<%= config.bin %> ps', '<%= config.bin %> ps --size --json'];
  static override flags = {
    size: boolean({char: 's', description: 'show what each has written too, in bytes on disk'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(Ps);
    const store = await this.openStore(flags);
    const sessions = flags.size ? await listSessionsWithSizes(store) : listSessions(store);
    this.answer(flags, sessions, () => sessionTable(sessions));
    for (const {path} of [...store.sessions.damaged(), ...store.execs.damaged()])
      this.remark(flags, `${path} cannot be read`);
  }
}
