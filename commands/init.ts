import {hindrances, reasonForDriver} from '../src/upkeep/fitness.ts';
import {BaseCommand} from './shared/base.ts';
import {datasetFlag} from './shared/dataset-flag.ts';

export default class Init extends BaseCommand {
  static override summary = 'Make a store.';
  static override description =
    'Optional: the first command that needs a store makes it, with the best driver found. Safe to repeat.';
  static override examples = [
    '<%= config.bin %> init',
    '<%= config.bin %> init --driver directory --root /srv/chroots',
    '<%= config.bin %> init --driver zfs --dataset tank/chrootctl',
  ];
  static override flags = {dataset: datasetFlag};

  async run(): Promise<void> {
    const {flags} = await this.parse(Init);
    const store = await this.openStore({...flags, unusable: true});
    const {root, driver, format} = store;
    const features = await driver.describe?.();
    const found = await hindrances(store);
    this.done(
      flags,
      {
        root,
        driver: driver.name,
        format: format.format,
        ...(format.dataset === undefined ? {} : {dataset: format.dataset}),
        ...(features === undefined ? {} : {features}),
        ...(found.length === 0 ? {} : {hindrances: found}),
      },
      () => `${root}: driver ${driver.name}${features === undefined ? '' : ` (${features})`}`,
    );
    for (const {what, fix} of found) this.remark(flags, `${what}\n  ${fix}`);
    if (driver.name === 'directory' && flags.driver === undefined)
      this.remark(flags, `the store keeps this driver: ${await reasonForDriver(store)}`);
  }
}
