import {boolean} from '@oclif/core/flags';
import {diagnoseAt} from '../src/upkeep/doctor.ts';
import {rebuild} from '../src/upkeep/rebuild.ts';
import {BaseCommand} from './shared/base.ts';
import {datasetFlag} from './shared/dataset-flag.ts';

export default class Doctor extends BaseCommand {
  static override summary =
    'Compare the records with the driver and the mounts. Exit code 0 only if all is well.';
  static override examples = [
    '<%= config.bin %> doctor',
    '<%= config.bin %> doctor --fix',
    '<%= config.bin %> doctor --rebuild --dataset tank/chrootctl',
  ];
  static override flags = {
    fix: boolean({description: 'mend what can be mended without losing anything'}),
    rebuild: boolean({description: 'first make lost records anew from what the storage remembers (zfs)'}),
    dataset: datasetFlag,
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(Doctor);
    const store = {root: flags.root, driver: flags.driver, dataset: flags.dataset};
    if (flags.rebuild) {
      const {made} = await rebuild(store);
      for (const what of made) this.remark(flags, `made anew: ${what}`);
    }
    const diagnosis = await diagnoseAt(store, {fix: flags.fix});
    this.answer(flags, diagnosis, () => [
      ...diagnosis.fixed.map(({what}) => `mended: ${what}`),
      ...diagnosis.problems.flatMap(({what, fix}) => [what, `  ${fix}`]),
      ...(diagnosis.ok ? ['all is well'] : []),
    ]);
    if (!diagnosis.ok) process.exitCode = 1;
  }
}
