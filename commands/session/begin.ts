import {string} from '@oclif/core/flags';
import {begin} from '../../src/session/begin.ts';
import {endSession} from '../../src/session/commit.ts';
import {BaseCommand} from '../shared/base.ts';
import {referenceArg} from '../shared/reference-arg.ts';
import {labels, runFlags, runOptions, storageFlags} from '../shared/run-flags.ts';

export default class SessionBegin extends BaseCommand {
  static override summary =
    'Begin a session: a writable clone that is kept until it is ended. Prints its id.';
  static override description =
    'The flags hold for every command that is run in it, unless exec says otherwise.';
  static override examples = ['<%= config.bin %> session begin debian --name build'];
  static override args = {reference: referenceArg};
  static override flags = {
    ...runFlags,
    ...storageFlags,
    name: string({description: 'name of the session, which is then its id', helpValue: 'NAME'}),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(SessionBegin);
    const store = await this.openStore(flags);
    const {record, root} = await begin(store, args.reference, {
      name: flags.name,
      labels: labels(flags.label),
      options: runOptions(flags),
    });
    const {id, name, image, version} = record;
    try {
      this.answer(flags, {id, name, image, version, root}, () => id);
    } catch (error) {
      // Whoever is to use it has not got to know that it is there.
      await endSession(store, id);
      throw error;
    }
  }
}
