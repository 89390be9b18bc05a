import {string as stringArg} from '@oclif/core/args';
import {string} from '@oclif/core/flags';
import {bootstrapImage} from '../src/images/import.ts';
import {interruption} from '../src/system/interruption.ts';
import {BaseCommand} from './shared/base.ts';
import {commitOptions, messageFlags} from './shared/commit-flags.ts';
import {labels} from './shared/run-flags.ts';

export default class Bootstrap extends BaseCommand {
  static override summary = 'Make a Debian or Ubuntu root with mmdebstrap.';
  static override description =
    "Uses the host's own apt sources and keys unless --mirror says otherwise. Prints the id of the new version.";
  static override examples = [
    '<%= config.bin %> bootstrap bookworm debian',
    '<%= config.bin %> bootstrap trixie build:1.0.0 --include build-essential,git',
  ];
  static override args = {
    suite: stringArg({required: true, ignoreStdin: true, description: 'bookworm, trixie, stable, …'}),
    image: stringArg({required: true, ignoreStdin: true, description: 'IMAGE[:TAG]'}),
  };
  static override flags = {
    ...messageFlags,
    mirror: string({description: 'take packages from there', helpValue: 'URI'}),
    variant: string({description: "mmdebstrap's variant (default: minbase)", helpValue: 'NAME'}),
    include: string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      description: 'install these packages too',
      helpValue: 'PKG,…',
    }),
    components: string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      description: 'components of the archive (default: main)',
      helpValue: 'NAME,…',
    }),
    label: string({
      multiple: true,
      multipleNonGreedy: true,
      description: 'label of the version',
      helpValue: 'K=V',
    }),
  };

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Bootstrap);
    const {mirror, variant, include, components} = flags;
    const store = await this.openStore(flags);
    const committed = await bootstrapImage(store, args.suite, {
      ...commitOptions(flags),
      signal: interruption,
      target: args.image,
      labels: labels(flags.label),
      ...(mirror === undefined ? {} : {mirror}),
      ...(variant === undefined ? {} : {variant}),
      ...(include === undefined ? {} : {include}),
      ...(components === undefined ? {} : {components}),
      onProgress: (line) => this.remark(flags, line),
    });
    this.done(flags, committed, () => committed.version);
  }
}
