/**
 * An overlay whose upper directory is a volume's own layer, `ID/fs`, with its work directory beside it. What a volume of
 * the overlay driver is, and a clone that is thrown away whatever the driver.
 */
import {chmodSync, chownSync, mkdirSync, statSync, utimesSync} from 'node:fs';
import {join, relative} from 'node:path';
import {ChrootctlError} from '../../errors.ts';
import {isThere} from '../../system/files.ts';
import type {MountPlan} from '../driver.ts';
import {findHolder, layerOf} from '../on-disk/busy.ts';
import {directoryOf, LOWER, type VolumeRecord} from '../on-disk/volume-record.ts';
import {deleteTree} from '../trees/delete.ts';
import {copyAttributes} from '../trees/xattrs.ts';

/** Whatever the kernel's defaults. */
const PLAIN = ['metacopy=off', 'index=off'];
const RENAMES = {made: 'redirect_dir=on', followed: 'redirect_dir=follow', none: 'redirect_dir=nofollow'};

/** Layers that there are always at least two of: overlayfs wants something below. */
export function isLayered({layers}: VolumeRecord): boolean {
  return layers.length > 1;
}

/**
 * The overlay of a layered volume. Paths are relative and short, so that no path needs escaping and the longest stack fits
 * into mount(8)'s page.
 * @throws ChrootctlError BUSY for an ephemeral volume that is mounted, when it is asked for to be written
 */
export function overlayPlan(
  volumes: string,
  record: VolumeRecord,
  {readOnly = false}: {readOnly?: boolean} = {},
): MountPlan {
  const {id, layers, state, ephemeral} = record;
  const [top = '', ...lower] = layers;
  // The source of an overlay is a mere name: the volume's, by which a mount of it is recognised (busy.ts).
  const shown = {
    type: 'overlay',
    source: directoryOf(volumes, id),
    workingDirectory: volumes,
    layers: layers.map((layer) => join(volumes, layer)),
  };
  if (state !== 'active' || readOnly) {
    const renames = state === 'active' ? RENAMES.followed : RENAMES.none;
    return {...shown, options: ['ro', renames, ...PLAIN, `lowerdir=${layers.join(':')}`]};
  }
  if (ephemeral) allowMountAgain(volumes, id);
  const upper = [`lowerdir=${lower.join(':')}`, `upperdir=${top}`, `workdir=${id}/work`];
  const volatile = ephemeral ? ['volatile'] : [];
  return {...shown, options: [RENAMES.made, ...PLAIN, ...volatile, ...upper]};
}

/**
 * The same where the layer below is on the file system of the upper directory, and may have the same inode numbers: those
 * of btrfs are a subvolume's. To programs two such files would be one. So what is below is mounted as a file system of its
 * own first, by which the kernel tells them apart (xino).
 */
export function apart(volumes: string, id: string, plan: MountPlan): MountPlan {
  const lower = plan.layers.slice(1).map((layer) => relative(volumes, layer));
  // It wants two layers; its own mount point is as empty as one can be.
  const place = `${id}/${LOWER}`;
  const layers = [...lower, place];
  const options = plan.options.filter((option) => !option.startsWith('lowerdir='));
  return upon(
    volumes,
    id,
    {...plan, options: [...options, `lowerdir=${place}`]},
    {
      type: 'overlay',
      source: plan.source,
      options: ['ro', RENAMES.none, ...PLAIN, `lowerdir=${layers.join(':')}`],
      workingDirectory: volumes,
      layers: [],
    },
  );
}

/** An overlay that has the volume's LOWER as a layer, on which something is mounted first: by `below`. */
export function upon(volumes: string, id: string, plan: MountPlan, below: MountPlan): MountPlan {
  return {
    ...plan,
    options: [...plan.options, 'xino=on'],
    below: {plan: below, mountPoint: join(directoryOf(volumes, id), LOWER)},
  };
}

/** Fills the directory of a volume that is made, for a clone of the tree `from`. */
export async function makeUpper(
  directory: string,
  from: string,
  {rootAttributes}: Pick<VolumeRecord, 'rootAttributes'>,
): Promise<void> {
  const root = join(directory, 'fs');
  mkdirSync(root);
  mkdirSync(join(directory, 'work'), 0o700);
  // overlayfs shows the attributes of the top layer's root directory, so a clone's is made like its parent's.
  const {mode, uid, gid, atime, mtime} = statSync(from);
  if (uid !== 0 || gid !== 0) chownSync(root, uid, gid);
  chmodSync(root, mode & 0o7777);
  if (rootAttributes === true) await copyAttributes(from, root);
  utimesSync(root, atime, mtime);
}

/**
 * A volatile overlay refuses to be mounted a second time, because after a crash of the machine its files may be
 * torn. While the machine runs, the page cache has them whole: the mark may go, with all of the work directory,
 * which holds nothing between mounts.
 */
function allowMountAgain(volumes: string, id: string): void {
  const inner = join(directoryOf(volumes, id), 'work', 'work');
  if (!isThere(inner)) return;
  const holder = findHolder([layerOf(volumes, id)]);
  if (holder !== undefined)
    throw new ChrootctlError('BUSY', `volume ${id} is mounted already at ${holder.mountPoint}`);
  deleteTree(inner);
}
