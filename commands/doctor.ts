import {boolean} from '@oclif/core/flags';
import {diagnose} from '../src/upkeep/doctor.ts';
import {BaseCommand} from './shared/base.ts';

export default class Doctor extends BaseCommand {
  static override summary =
    'Compare the records with the driver and the mounts. Exit code 0 only if all is well.';
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --fix'];
  static override flags = {fix: boolean({description: 'mend what can be mended without losing anything'})};

  async run(): Promise<void> {
    const {flags} = await this.parse(Doctor);
    const diagnosis = await diagnose(await this.openStore(flags), {fix: flags.fix});
    this.answer(flags, diagnosis, () => [
      ...diagnosis.fixed.map(({what}) => `mended: ${what}`),
      ...diagnosis.problems.flatMap(({what, fix}) => [what, `  ${fix}`]),
      ...(diagnosis.ok ? ['all is well'] : []),
    ]);
    if (!diagnosis.ok) process.exitCode = 1;
  }
}
