import {string as stringArg} from '@oclif/core/args';
import {readyRoot} from '../../src/session/root.ts';
import {BaseCommand} from '../shared/base.ts';

export default class SessionPath extends BaseCommand {
  static override summary = "Print where a session's root is mounted on the host.";
  static override examples = ['ls "$(<%= config.bin %> session path build)"/etc'];
  static override args = {session: stringArg({required: true, ignoreStdin: true, description: 'id or name'})};

  async run(): Promise<void> {
    const {args, flags} = await this.parse(SessionPath);
    const path = await readyRoot(await this.openStore(flags), args.session);
    this.answer(flags, {id: args.session, path}, () => path);
  }
}
