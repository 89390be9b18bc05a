import {join, relative} from 'node:path';
import {ChrootctlError} from '../errors.ts';

/**
 * How something is mounted, as data: one mount(8) call, `mount -i -t TYPE -o OPTIONS SOURCE TARGET` in
 * `workingDirectory`. Whoever mounts it decides where, and in which mount namespace. Without a helper program (-i): that
 * of ZFS insists on an empty directory, and takes longer than the mount.
 */
export interface MountPlan {
  type: string;
  source: string;
  /** Escaped as mount(8) and the file system want them. */
  options: readonly string[];
  /** Relative paths in the options start here. */
  workingDirectory: string;
  /**
   * The directories whose union the root is, top first: a path can be looked up in them before anything is mounted.
   * None where there is nothing to see until then.
   */
  layers: readonly string[];
  /**
   * To mount it is refused (EBUSY) while somebody else's mount of the same is just ending: it is then tried again for a
   * while.
   */
  contended?: boolean;
  /** What shows the same for now, and costs less to mount: for a look before the root itself is mounted. */
  look?: MountPlan;
  /** The same, where it is mounted already; whoever has looked lets go of it. */
  held?: HeldTree;
  /** What is to be mounted before it, and where: a layer of it. */
  below?: {plan: MountPlan; mountPoint: string};
  /** Directories to make first in a file system in memory, which is mounted at the mount point, below this. */
  scratch?: readonly string[];
}

/** A tree that is mounted where only this process sees it, until it lets go. */
export interface HeldTree {
  directory: string;
  /** The process that has it mounted, in a mount namespace of its own. */
  pid: number;
  /** Resolves when nothing is mounted any more; called again, it does nothing. */
  release: () => Promise<void>;
}

/**
 * A plan that can be written to without anything being written but to memory.
 * @param mountPoint where it will be mounted
 * @throws ChrootctlError FAILED where there are no directories to put something upon
 */
export function withScratch({layers, workingDirectory}: MountPlan, mountPoint: string): MountPlan {
  if (layers.length === 0) {
    throw new ChrootctlError('FAILED', 'this driver shows no version where nothing can be written', {
      hint: 'mount the store writable',
    });
  }
  // Short, and without anything that would have to be escaped, as far as the driver's own names go.
  const within = (path: string): string => relative(workingDirectory, path);
  const [upper, work] = ['upper', 'work'].map((name) => join(mountPoint, name)) as [string, string];
  return {
    type: 'overlay',
    source: 'chrootctl',
    options: [
      'redirect_dir=off',
      'metacopy=off',
      'index=off',
      `lowerdir=${layers.map(within).join(':')}`,
      `upperdir=${within(upper)}`,
      `workdir=${within(work)}`,
    ],
    workingDirectory,
    layers,
    scratch: [upper, work],
  };
}

const PLAIN_FUNCTION = 'mount_plan() { mount -i "$@"; }';

/**
 * An overlay that finds no room for its work directory comes up read-only, and only the kernel's log says why
 * (ovl_workdir_create in fs/overlayfs/super.c). To test(1) a file system that is read-only cannot be written.
 */
const WRITABLE_FUNCTION = `mount_plan() {
  mount -i "$@" || return
  for target; do :; done
  [ -w "$target" ] && return
  umount -- "$target"
  echo 'mount: no space left on the device of the store: the root would be read-only' >&2
  return 1
}`;

/** For five seconds, many times what the end of a mount takes. */
const PATIENT_FUNCTION = `mount_plan() {
  tries=0
  until complaint=$(mount -i "$@" 2>&1); do
    case $complaint in *busy* | *'already mounted'*) tries=$((tries + 1)) ;; *) tries=100 ;; esac
    [ "$tries" -lt 100 ] || { printf '%s\\n' "$complaint" >&2; return 1; }
    sleep 0.05
  done
}`;

/**
 * The shell function `mount_plan`, which is called like mount(8) in the plan's working directory and mounts this plan;
 * `tries` counts those in vain.
 */
export function mountFunction(plan: MountPlan): string {
  const {type, options, contended = false, below} = plan;
  if (below !== undefined) {
    const {plan: first, mountPoint} = below;
    const words = ['-t', first.type, '-o', first.options.join(','), '--', first.source, mountPoint];
    const own = mountFunction({type, options, contended} as MountPlan).replace(/^mount_plan/, 'mount_own');
    const one = mountFunction(first).replace(/^mount_plan/, 'mount_below');
    return `${one}\n${own}\nmount_plan() { mount_below ${words.map(shellWord).join(' ')} && mount_own "$@"; }`;
  }
  if (type === 'overlay' && !options.includes('ro')) return WRITABLE_FUNCTION;
  return contended ? PATIENT_FUNCTION : PLAIN_FUNCTION;
}

function shellWord(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Flags of mount(2) by the names that mount(8) has for them; what is none is the file system's own to read. */
const FLAGS: Partial<Record<string, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  remount: 32,
  noatime: 1024,
  bind: 4096,
  private: 1 << 18,
};

/** Options as mount(2) takes them. */
export interface MountArguments {
  flags: number;
  data: string;
}

/** The calls of mount(2) that mount a plan, in order: a bind mount gets its flags, and its propagation, by calls of their own. */
export function mountArguments({options}: Pick<MountPlan, 'options'>): MountArguments[] {
  const data = options.filter((option) => FLAGS[option] === undefined).join(',');
  const flags = options.reduce((sum, option) => sum | (FLAGS[option] ?? 0), 0);
  const bind = flags & 4096;
  const remount = flags & 1;
  const propagation = flags & (1 << 18);
  if (bind === 0) return [{flags, data}];
  return [
    {flags: bind, data: ''},
    ...(remount === 0 ? [] : [{flags: (flags & ~propagation) | 32, data: ''}]),
    ...(propagation === 0 ? [] : [{flags: propagation, data: ''}]),
  ];
}
