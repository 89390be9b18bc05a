import {storeInfo} from '../src/upkeep/info.ts';
import {formatSize} from '../src/units.ts';
import {BaseCommand} from './shared/base.ts';

export default class Info extends BaseCommand {
  static override summary = 'Show the store, its driver, what is in it and how it is.';
  static override examples = ['<%= config.bin %> info', '<%= config.bin %> info --json'];

  async run(): Promise<void> {
    const {flags} = await this.parse(Info);
    const info = await storeInfo(await this.openStore(flags));
    this.answer(flags, info, () => [
      `Store:      ${info.root} (format ${info.format})`,
      `Driver:     ${info.driver} (${info.driverReason})`,
      ...(info.driverFeatures === null ? [] : [`Storage:    ${info.driverFeatures}`]),
      `Images:     ${info.images} with ${info.versions} versions, ${formatSize(info.size)}`,
      `Sessions:   ${info.sessions.running} running, ${info.sessions.idle} idle, ${info.sessions.dead} dead`,
      ...info.hindrances.flatMap(({what, fix}) => [`Hindered:   ${what}`, `            ${fix}`]),
      `Health:     ${info.healthy ? 'good' : `${info.problems} problems: chrootctl doctor tells which`}`,
      `Chrootctl:  ${info.versionsOf.chrootctl}`,
      `Uses:       ${Object.entries(info.versionsOf)
        .filter(([name]) => name !== 'chrootctl')
        .map(([name, version]) => `${name} ${version}`)
        .join(', ')}`,
    ]);
  }
}
