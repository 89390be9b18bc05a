/** Where worlds are made. */
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {busyboxRoot} from '../cli/chrootctl.ts';
import {mountLoop} from '../contract/loop.ts';
import {temporaryDirectory} from '../temporary.ts';
import {HOOKED, type Way} from './ways.ts';

export interface Laboratory {
  driver: string;
  /** A directory on a file system that the driver can work on. */
  room: string;
  /** A directory to import. */
  source: string;
  way: Way;
}

/** One that goes with the test. */
export function laboratoryFor(driver: string, way: Way = HOOKED): Laboratory {
  const directory = temporaryDirectory();
  const source = busyboxRoot();
  writeFileSync(join(source, 'state'), '1\n');
  mkdirSync(join(source, 'var/lib/dpkg'), {recursive: true});
  writeFileSync(join(source, 'var/lib/dpkg/status'), 'Package: dpkg\nArchitecture: amd64\n');
  return {driver, source, way, room: driver === 'btrfs' ? mountLoop('btrfs', directory) : directory};
}
