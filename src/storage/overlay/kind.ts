/** Where volumes can be layers of overlayfs. */
import {lstatSync, mkdirSync, rmdirSync, unlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError} from '../../errors.ts';
import {withMounted} from '../../system/view.ts';
import {bytePath} from '../trees/bytes.ts';
import type {MountPlan} from '../driver.ts';
import type {DriverKind} from '../kind.ts';
import {described, obstacleTo} from '../probes.ts';
import {marksIn} from '../trees/xattrs.ts';

/** What a container has its own root on. */
const ELSEWHERE =
  '; a store on a volume (-v chrootctl:/var/lib/chrootctl) or a disk of its own has a better driver';

export const overlay: DriverKind = {
  requirement: {
    probe: tryOverlay,
    hint: 'choose --driver directory, or a --root on another file system (ext4, xfs, btrfs)',
  },

  async suits({trial, type}) {
    const obstacle = await obstacleTo(tryOverlay, trial);
    if (obstacle === undefined) return {works: true, why: `overlayfs works on ${type}`};
    const elsewhere = type === 'overlay' ? ELSEWHERE : '';
    return {
      works: false,
      why: `overlayfs does not work on ${type} (${described(obstacle)})${elsewhere}`,
      obstacle,
    };
  },

  async open(volumes) {
    const {OverlayDriver} = await import('./driver.ts');
    return new OverlayDriver(volumes);
  },
};

/** In an overlay a file is deleted and a directory replaced. */
async function tryOverlay(trial: string): Promise<void> {
  const options = [
    'redirect_dir=on',
    'metacopy=off',
    'index=off',
    'lowerdir=lower',
    'upperdir=upper',
    'workdir=work',
  ];
  const plan = {type: 'overlay', source: 'overlay', options, workingDirectory: trial, layers: []};
  await tryPlan(plan, {lower: join(trial, 'lower'), upper: join(trial, 'upper'), work: join(trial, 'work')});
}

/** Not ASCII: such a name takes all the programs that ever read attributes (trees/xattrs.ts). */
const REPLACED = 'replacé';

/** The same with a plan, whose directories are made. */
export async function tryPlan(
  plan: MountPlan,
  {lower, upper, work}: {lower: string; upper: string; work: string},
): Promise<void> {
  for (const path of [join(lower, REPLACED), upper, work]) mkdirSync(path, {recursive: true});
  for (const name of ['deleted', join(REPLACED, 'file')]) writeFileSync(join(lower, name), '');
  await withMounted(plan, (directory) => {
    unlinkSync(join(directory, 'deleted'));
    unlinkSync(join(directory, REPLACED, 'file'));
    rmdirSync(join(directory, REPLACED));
    mkdirSync(join(directory, REPLACED));
    return Promise.resolve();
  });
  const whiteout = lstatSync(join(upper, 'deleted'), {throwIfNoEntry: false});
  if (whiteout?.isCharacterDevice() !== true) {
    throw new ChrootctlError('FAILED', 'a deletion left no whiteout');
  }
  const [marks] = await marksIn([upper]);
  if (marks?.opaque.has(bytePath(REPLACED)) !== true)
    throw new ChrootctlError('FAILED', 'there are no trusted extended attributes');
}
