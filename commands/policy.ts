import {string as stringArg} from '@oclif/core/args';
import {string} from '@oclif/core/flags';
import {policyOf, setPolicy} from '../src/images/set-policy.ts';
import {BaseCommand} from './shared/base.ts';

export default class Policy extends BaseCommand {
  static override summary =
    'Say what holds for an image whatever version of it is used; without flags: show it.';
  static override examples = [
    '<%= config.bin %> policy debian',
    '<%= config.bin %> policy debian --profile buildd',
    '<%= config.bin %> policy debian --profile default',
  ];
  static override args = {
    image: stringArg({required: true, ignoreStdin: true, description: 'the image'}),
  };
  static override flags = {
    profile: string({
      description: 'what run and session begin start from where they name no profile',
      helpValue: 'NAME',
    }),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Policy);
    const store = await this.openStore(flags);
    if (flags.profile === undefined) {
      const shown = {image: args.image, profile: policyOf(store, args.image).profile ?? 'default'};
      this.answer(flags, shown, () => [`profile: ${shown.profile}`]);
      return;
    }
    const {profile = 'default'} = await setPolicy(store, args.image, {profile: flags.profile});
    this.done(flags, {image: args.image, profile}, () => [`profile: ${profile}`]);
  }
}
