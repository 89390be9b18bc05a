/** Volumes can be plain directories everywhere; whether clones of them share blocks depends. */
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError} from '../../errors.ts';
import {attempt} from '../../system/programs.ts';
import type {DriverKind} from '../kind.ts';
import {obstacleTo} from '../probes.ts';

export const directory: DriverKind = {
  async suits({trial}) {
    const obstacle = await obstacleTo(tryReflink, trial);
    const why =
      obstacle === undefined ? 'clones share their blocks (reflinks)' : 'every clone is a full copy';
    return {works: true, why};
  },

  async open(volumes) {
    const {DirectoryDriver} = await import('./driver.ts');
    return new DirectoryDriver(volumes);
  },
};

/** Two files share their blocks. */
async function tryReflink(trial: string): Promise<void> {
  const [from, to] = [join(trial, 'blocks'), join(trial, 'shared')];
  writeFileSync(from, Buffer.alloc(1 << 16, 1));
  const {code} = await attempt('cp', ['--reflink=always', '--', from, to]);
  if (code !== 0) throw new ChrootctlError('FAILED', 'there are no reflinks');
}
