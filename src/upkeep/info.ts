/** The store at a glance. */
import {listVersions} from '../images/list.ts';
import {listSessions, type ListedSession} from '../session/list.ts';
import type {Store} from '../store/store.ts';
import {attempt} from '../system/programs.ts';
import {RUNTIME} from '../system/runtime.ts';
import {VERSION} from '../version.ts';
import {diagnose, type Problem} from './doctor.ts';
import {reasonForDriver} from './fitness.ts';

export interface StoreInfo {
  root: string;
  format: number;
  driver: string;
  /** What detection says of this host, in a sentence. */
  driverReason: string;
  /** What the driver found to work with, if it needs more than the kernel's file systems. */
  driverFeatures: string | null;
  images: number;
  versions: number;
  /** Bytes on disk of all versions. */
  size: number;
  sessions: Record<ListedSession['state'], number>;
  healthy: boolean;
  problems: number;
  /** Those that keep commands from running in this place. */
  hindrances: Problem[];
  /** Of chrootctl and the programs it uses. */
  versionsOf: Record<string, string>;
}

export async function storeInfo(store: Store): Promise<StoreInfo> {
  const versions = listVersions(store);
  const states = listSessions(store).map(({state}) => state);
  // One after the other: each starts programs, which takes descriptors.
  const {ok, problems} = await diagnose(store);
  const driverReason = await reasonForDriver(store);
  const features = await store.driver.describe?.();
  const versionsOf = await programVersions();
  return {
    root: store.root,
    format: store.format.format,
    driver: store.driver.name,
    driverReason,
    driverFeatures: features ?? null,
    images: store.imageNames().length,
    versions: versions.length,
    size: versions.reduce((sum, {size}) => sum + size, 0),
    sessions: {
      running: states.filter((state) => state === 'running').length,
      idle: states.filter((state) => state === 'idle').length,
      dead: states.filter((state) => state === 'dead').length,
    },
    healthy: ok,
    problems: problems.length,
    hindrances: problems.filter(({kind}) => kind === 'permission' || kind === 'sandbox'),
    versionsOf,
  };
}

async function programVersions(): Promise<Record<string, string>> {
  const versions: Record<string, string> = {chrootctl: VERSION, [RUNTIME.name]: RUNTIME.version};
  for (const program of ['bwrap', 'mmdebstrap', 'tar', 'zstd']) versions[program] = await versionOf(program);
  return versions;
}

/** The first thing in its output that looks like a version number. */
async function versionOf(program: string): Promise<string> {
  try {
    return /\d+\.\d+(?:\.\d+)?/.exec((await attempt(program, ['--version'])).stdout)?.[0] ?? 'unknown';
  } catch {
    return 'not installed'; // The only way in which `attempt` fails.
  }
}
