import {inspectVersion} from '../src/images/list.ts';
import {BaseCommand} from './shared/base.ts';
import {referenceArg} from './shared/reference-arg.ts';

export default class Inspect extends BaseCommand {
  static override summary = 'Show everything known of a version, as YAML or with --json as JSON.';
  static override examples = [
    '<%= config.bin %> inspect debian',
    '<%= config.bin %> inspect debian:1.2.0 --json',
  ];
  static override args = {reference: referenceArg};

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Inspect);
    const inspected = inspectVersion(await this.openStore(flags), args.reference);
    const {stringify} = await import('yaml');
    this.answer(flags, inspected, () => stringify(inspected).trimEnd());
  }
}
