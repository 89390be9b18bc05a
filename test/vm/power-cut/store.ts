/** In the guest: a store on a partition, for each driver. What it writes, records included, is on that partition. */
import {execFileSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {Cli} from '../../cli/chrootctl.ts';
import type {Driver} from './drivers.ts';

export const STORE = '/store';

interface Ground {
  make: (partition: string) => void;
  /** What a machine does that comes up after a power cut. */
  open: (partition: string) => void;
  /** Takes it away again, and says what the file system itself found wrong with it. */
  close: (partition: string) => string[];
  init: string[];
}

const GROUNDS: Record<Driver, Ground> = {
  zfs: {
    make: (partition) => {
      call('zpool', 'create', '-o', 'cachefile=none', '-O', 'mountpoint=none', 'tank', partition);
      call('zfs', 'create', '-o', `mountpoint=${STORE}`, 'tank/store');
    },
    open: (partition) => {
      call('zpool', 'import', '-f', '-N', '-o', 'cachefile=none', '-d', partition, 'tank');
      call('zfs', 'mount', 'tank/store');
    },
    close: () => {
      call('zpool', 'scrub', '-w', 'tank');
      const status = call('zpool', 'status', '-v', 'tank');
      call('zpool', 'export', 'tank');
      return status.includes('errors: No known data errors') ? [] : [status];
    },
    init: ['--driver', 'zfs', '--dataset', 'tank/store'],
  },
  overlay: {
    make: (partition) => {
      call('mke2fs', '-q', '-t', 'ext4', partition);
      mkdirSync(STORE);
      call('mount', partition, STORE);
    },
    open: (partition) => {
      mkdirSync(STORE, {recursive: true});
      call('mount', partition, STORE);
    },
    close: (partition) => {
      call('umount', STORE);
      try {
        call('e2fsck', '-f', '-n', partition);
        return [];
      } catch (error) {
        return [String(error)];
      }
    },
    init: ['--driver', 'overlay'],
  },
};

export async function makeStore(driver: Driver, partition: string): Promise<Cli> {
  GROUNDS[driver].make(partition);
  const cli = new Cli({store: STORE});
  await cli.ok('init', ...GROUNDS[driver].init);
  return cli;
}

/** Opens the store for the time that `work` takes; gives what the file system found wrong with itself afterwards. */
export async function withStore(
  driver: Driver,
  partition: string,
  work: (cli: Cli) => Promise<void>,
): Promise<string[]> {
  GROUNDS[driver].open(partition);
  let found: string[];
  try {
    await work(new Cli({store: STORE}));
  } finally {
    found = GROUNDS[driver].close(partition);
  }
  return found;
}

function call(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: 'utf8',
    env: {...process.env, ZPOOL_IMPORT_UDEV_TIMEOUT_MS: '0'},
  });
}
