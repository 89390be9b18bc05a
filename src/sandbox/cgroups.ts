/**
 * Where control groups are on this host (cgroups(7)): version 1, with a hierarchy for each controller, version 2,
 * with one for all, or both side by side. Which one serves is decided for each controller by itself.
 */
import type {Mount} from '../system/mounts.ts';

export type ControllerName = 'memory' | 'cpu' | 'pids' | 'devices';
/** Those that keep to an amount. */
export type LimitName = Exclude<ControllerName, 'devices'>;

export interface Controller {
  name: ControllerName;
  version: 1 | 2;
  /** Where its hierarchy is mounted. */
  mountPoint: string;
}

/** The mount points of every hierarchy, once each. */
export function hierarchies(mounts: readonly Mount[]): string[] {
  return [...new Set(mounts.filter(isHierarchy).map(({mountPoint}) => mountPoint))];
}

/**
 * Finds a controller. One bound to a version 1 hierarchy is not available in version 2, so version 1 is looked at
 * first. `controllersOf` reads `cgroup.controllers` at a version 2 mount point.
 */
export function findController(
  mounts: readonly Mount[],
  name: ControllerName,
  controllersOf: (mountPoint: string) => string,
): Controller | undefined {
  const first = mounts.find(({type, options}) => type === 'cgroup' && options.includes(name));
  if (first !== undefined) return {name, version: 1, mountPoint: first.mountPoint};
  const second = mounts.find(
    ({type, mountPoint}) => type === 'cgroup2' && controllersOf(mountPoint).split(/\s+/).includes(name),
  );
  return second === undefined ? undefined : {name, version: 2, mountPoint: second.mountPoint};
}

export interface Setting {
  file: string;
  value: string;
  /** Written only where the kernel has the file (swap accounting may be off). */
  optional?: true;
}

/** Microseconds over which processor time is shared out; the kernel's own default. */
const CPU_PERIOD = 100_000;

/** What to write, in this order, so that the controller keeps to `amount` (bytes, processors or tasks). */
export function settingsFor(
  {name, version}: {name: LimitName; version: Controller['version']},
  amount: number,
): Setting[] {
  switch (name) {
    case 'memory':
      // Swap would only make a command that is over its limit slow instead of ending it.
      return version === 1
        ? [
            {file: 'memory.limit_in_bytes', value: String(amount)},
            {file: 'memory.memsw.limit_in_bytes', value: String(amount), optional: true},
          ]
        : [
            {file: 'memory.max', value: String(amount)},
            {file: 'memory.swap.max', value: '0', optional: true},
          ];
    case 'cpu': {
      const quota = Math.round(amount * CPU_PERIOD);
      return version === 1
        ? [
            {file: 'cpu.cfs_period_us', value: String(CPU_PERIOD)},
            {file: 'cpu.cfs_quota_us', value: String(quota)},
          ]
        : [{file: 'cpu.max', value: `${quota} ${CPU_PERIOD}`}];
    }
    case 'pids':
      return [{file: 'pids.max', value: String(amount)}];
  }
}

function isHierarchy({type}: Mount): boolean {
  return type === 'cgroup' || type === 'cgroup2';
}
