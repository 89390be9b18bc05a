import {BaseCommand} from './shared/base.ts';

export default class Init extends BaseCommand {
  static override summary = 'Make a store.';
  static override description =
    'Optional: the first command that needs a store makes it, with the best driver found. Safe to repeat.';
  static override examples = [
    '<%= config.bin %> init',
    '<%= config.bin %> init --driver directory --root /srv/chroots',
  ];

  async run(): Promise<void> {
    const {flags} = await this.parse(Init);
    const store = await this.openStore(flags);
    const {root, driver, format} = store;
    this.answer(
      flags,
      {root, driver: driver.name, format: format.format},
      () => `${root}: driver ${driver.name}`,
    );
  }
}
