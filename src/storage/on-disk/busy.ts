/**
 * Who has a volume mounted. A mount may hide in a mount namespace that we are not in, so the tables of all processes
 * are read, one per namespace.
 */
import {readdirSync, readFileSync, readlinkSync, realpathSync} from 'node:fs';
import {dirname, normalize, relative} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError} from '../../errors.ts';
import {mountsOf, parseMountinfo, type Mount} from '../../system/mounts.ts';
import {seesEverybody} from '../../system/owners.ts';
import type {VolumeHolder} from '../driver.ts';

export interface Holder extends VolumeHolder {
  /** Of the volume. */
  id: string;
}

/** A namespace outlives the last process that its owner waits for by a moment, and a new one has copies of all mounts for one. */
const PATIENCE_MS = 500;
const PAUSE_MS = 25;

/** A volume, by what its mounts look like. */
export interface Sought {
  id: string;
  /** Stands in every table that has such a mount. */
  text: string;
  matches: (mount: Mount) => boolean;
  /** A process whose mounts do not count, nor those of its mount namespace: it is ours. */
  except?: number | undefined;
  /** Asks the kernel, where there may be mount namespaces that cannot be looked into; not for whom tables tell all. */
  isInUse?: () => Promise<boolean>;
}

/**
 * Waits a moment for the volumes to be mounted nowhere.
 * @throws ChrootctlError BUSY naming the process that holds one
 */
export async function assertMountedNowhere(...sought: readonly Sought[]): Promise<void> {
  const holder = await lastingHolder(...sought);
  if (holder !== undefined) throw busy(holder);
}

/** Whether a mount of the volume in another namespace than ours, of those that can be looked into, lasts for a moment. */
export async function isMountedElsewhere(sought: Sought): Promise<boolean> {
  return (await lasting(() => findHolder([sought], {elsewhere: true}))) !== undefined;
}

/** The first mount found of one of the volumes that is still there after a moment. */
function lastingHolder(...sought: readonly Sought[]): Promise<Holder | undefined> {
  return lasting(() => findHolder(sought) ?? (seesEverybody() ? undefined : unseenHolder(sought)));
}

async function lasting(
  find: () => Holder | undefined | Promise<Holder | undefined>,
): Promise<Holder | undefined> {
  for (let waited = 0; ; waited += PAUSE_MS) {
    const holder = await find();
    if (holder === undefined || waited >= PATIENCE_MS) return holder;
    await sleep(PAUSE_MS);
  }
}

/** The same for one volume, and by the word of the kernel: a mount is in no table any more that was detached (umount -l). */
export async function certainHolder(sought: Sought): Promise<Holder | undefined> {
  return (await lastingHolder(sought)) ?? (seesEverybody() ? unseenHolder([sought]) : undefined);
}

async function unseenHolder(sought: readonly Sought[]): Promise<Holder | undefined> {
  for (const {id, isInUse} of sought) if ((await isInUse?.()) === true) return {id};
  return undefined;
}

/**
 * The first mount found of one of the volumes, in any mount namespace that we may look into; with `elsewhere`, in any other
 * than ours.
 */
export function findHolder(
  sought: readonly Sought[],
  {elsewhere = false}: {elsewhere?: boolean} = {},
): Holder | undefined {
  const ours = readlinkSync('/proc/self/ns/mnt');
  const namespaces = new Set(elsewhere ? [ours] : []);
  for (const {except} of sought) {
    const known = except === undefined ? undefined : linkOf(except, 'ns/mnt');
    if (known !== undefined) namespaces.add(known);
  }
  for (const pid of pids()) {
    const namespace = linkOf(pid, 'ns/mnt');
    if (namespace === undefined || namespaces.has(namespace)) continue;
    const found = mountOf(sought, pid);
    if (found === undefined) {
      namespaces.add(namespace);
      continue;
    }
    const {id, mount} = found;
    const holder = namespace === ours ? standingIn(mount.mountPoint, ours) : pid;
    return {
      id,
      mountPoint: mount.mountPoint,
      ...(holder === undefined ? {} : {process: {pid: holder, command: commandOf(holder)}}),
    };
  }
  return undefined;
}

function busy({id, mountPoint, process}: Holder): ChrootctlError {
  if (mountPoint === undefined) {
    return new ChrootctlError('BUSY', `volume ${id} is mounted where it cannot be seen from here`, {
      hint: 'unmount it there, in another container or on the host, or end what runs there; then try again',
    });
  }
  const by = process === undefined ? '' : ` by process ${process.pid} (${process.command})`;
  return new ChrootctlError('BUSY', `volume ${id} is mounted at ${mountPoint}${by}`, {
    hint: process === undefined ? `umount ${mountPoint}, then try again` : 'end that process, then try again',
  });
}

function mountOf(sought: readonly Sought[], pid: number): {id: string; mount: Mount} | undefined {
  const text = ownText(() => readFileSync(`/proc/${pid}/mountinfo`, 'utf8')) ?? '';
  const likely = sought.filter((volume) => text.includes(volume.text));
  for (const {id, matches} of likely) {
    const mount = parseMountinfo(text).find(matches);
    if (mount !== undefined) return {id, mount};
  }
  return undefined;
}

/** Where the volumes are mounted, in our own mount namespace: which one, by mount points. */
export function mountPointsOf(sought: readonly Sought[]): Map<string, string> {
  if (sought.length === 0) return new Map();
  return new Map(
    mountsOf().flatMap((mount): [string, string][] => {
      const words = [mount.source, `${mount.root}/`, ...mount.options].join(' ');
      const found = sought.find(({text, matches}) => words.includes(text) && matches(mount));
      return found === undefined ? [] : [[mount.mountPoint, found.id]];
    }),
  );
}

/** A volume in a directory: mounts that show its own layer. */
export function layerOf(volumes: string, id: string): Sought {
  // Overlay names the layer in its options, as it was given it, and the store by its source; see the plan. A bind
  // mount has the layer, or something in it, as its root.
  const inOptions = new RegExp(`^(?:upper|lower)dir=(?:.*[:/])?${id}/fs(?:$|:)`);
  let place: ReturnType<typeof placeOf> | undefined;
  return {
    id,
    text: `${id}/fs`,
    matches: ({type, options, source, device, root}) => {
      if (type === 'overlay')
        return options.some((option) => inOptions.test(option)) && isSame(dirname(source), volumes);
      place ??= placeOf(volumes);
      return device === place.device && `${root}/`.startsWith(`${place.root}/${id}/fs/`);
    },
  };
}

/** Where on which file system a directory is, in the words of mountinfo. */
function placeOf(directory: string): {device: string; root: string} {
  const path = realpathSync(directory);
  const under = (mountPoint: string): boolean =>
    `${path}/`.startsWith(mountPoint === '/' ? '/' : `${mountPoint}/`);
  const mount = mountsOf()
    .filter(({mountPoint}) => under(mountPoint))
    .reduce((best, other) => (other.mountPoint.length >= best.mountPoint.length ? other : best));
  return {device: mount.device, root: normalize(`${mount.root}/${relative(mount.mountPoint, path)}`)};
}

function isSame(path: string, directory: string): boolean {
  return path === directory || ownText(() => realpathSync(path)) === realpathSync(directory);
}

/** A process of our namespace whose root or working directory is in the mount. */
function standingIn(mountPoint: string, namespace: string): number | undefined {
  return pids().find(
    (pid) =>
      linkOf(pid, 'ns/mnt') === namespace &&
      ['root', 'cwd'].some((name) => `${linkOf(pid, name) ?? ''}/`.startsWith(`${mountPoint}/`)),
  );
}

function pids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

function linkOf(pid: number, name: string): string | undefined {
  return ownText(() => readlinkSync(`/proc/${pid}/${name}`));
}

function commandOf(pid: number): string {
  const words = ownText(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '';
  return words.replaceAll('\0', ' ').trim().slice(0, 80) || 'ended';
}

/** What there is to read of a process, or undefined when it has ended or is not ours to look at. */
function ownText(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined; // ENOENT, ESRCH, EINVAL: it ended meanwhile. EACCES: somebody else's.
  }
}
