import {string as stringArg} from '@oclif/core/args';
import {boolean} from '@oclif/core/flags';
import {removeSession} from '../../src/session/remove.ts';
import {BaseCommand} from '../shared/base.ts';
import {agreedLoss, describeLoss, type Loss} from '../shared/throw-away.ts';

export default class SessionRm extends BaseCommand {
  static override summary = 'Remove sessions and what is in them.';
  static override description =
    'It says what is thrown away with each. At a terminal it asks first when that is more than 100 paths; a script is never asked.';
  static override examples = [
    '<%= config.bin %> session rm build test',
    '<%= config.bin %> session rm --force build',
  ];
  static override strict = false;
  static override args = {
    session: stringArg({required: true, ignoreStdin: true, description: 'ids or names'}),
  };
  static override flags = {force: boolean({char: 'f', description: 'kill what runs in it, and do not ask'})};

  async run(): Promise<void> {
    const {argv, flags} = await this.parse(SessionRm);
    const store = await this.openStore(flags);
    const removed: {id: string; loss: Loss | undefined}[] = [];
    for (const id of argv.map(String)) {
      const loss = await agreedLoss(store, id, flags);
      await removeSession(store, id, {force: flags.force});
      removed.push({id, loss});
      const line = loss === undefined || flags.json ? undefined : describeLoss(loss);
      if (line !== undefined) this.remark(flags, argv.length > 1 ? `${id}: ${line}` : line);
    }
    this.done(
      flags,
      removed.map(({id, loss}) => ({id, removed: true, thrownAway: loss?.unsaved ?? null})),
      () => removed.map(({id}) => id),
    );
  }
}
