/** Temporary directories that go with their test, mounts included. */
import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {mountsOf} from '../src/system/mounts.ts';

const made: string[] = [];

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'chrootctl-test-'));
  made.push(directory);
  return directory;
}

const datasets: string[] = [];

/** A name for a dataset in the pool that CHROOTCTL_TEST_POOL names; what is made there goes with its test. */
export function temporaryDataset(): string {
  const pool = process.env['CHROOTCTL_TEST_POOL'];
  if (pool === undefined) throw new Error('CHROOTCTL_TEST_POOL names no pool');
  const dataset = `${pool}/test-${process.pid}-${datasets.length}-${Date.now().toString(36)}`;
  datasets.push(dataset);
  return dataset;
}

/** Ends the sandboxes that sessions below a directory have left, with all that runs in them. */
export function endSandboxesBelow(directory: string): void {
  const holders = (): number[] =>
    readdirSync('/proc')
      .map(Number)
      .filter((pid) => holdsBelow(directory, pid));
  for (let left = holders(); left.length > 0; left = holders())
    for (const pid of left) spawnSync('kill', ['-KILL', String(pid)], {stdio: 'ignore'});
}

function holdsBelow(directory: string, pid: number): boolean {
  try {
    const [, word, , , root = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return word === 'hold' && root.startsWith(`${directory}/`);
  } catch {
    return false; // It is no process, or it has ended.
  }
}

export function cleanUp(): void {
  for (const directory of made.splice(0)) {
    endSandboxesBelow(directory);
    for (const {mountPoint} of mountsOf().reverse()) {
      if (mountPoint === directory || mountPoint.startsWith(`${directory}/`)) {
        execFileSync('umount', ['-l', mountPoint]);
      }
    }
    removeTree(directory);
  }
  // All in one go, with everything that is based on them: nothing here is anybody else's.
  for (const dataset of datasets.splice(0)) spawnSync('zfs', ['destroy', '-R', dataset], {stdio: 'ignore'});
}

const kept: {directories: string[]; datasets: string[]} = {directories: [], datasets: []};

/** What has been made until now stays for the other tests of the file, and goes after the last one. */
export function keepForAllTests(): void {
  kept.directories.push(...made.splice(0));
  kept.datasets.push(...datasets.splice(0));
}

function cleanUpAll(): void {
  made.push(...kept.directories.splice(0));
  datasets.push(...kept.datasets.splice(0));
  cleanUp();
}

const BTRFS_SUPER_MAGIC = 0x9123683e;

/** Where temporary files are on btrfs, there may be read-only snapshots among them. */
export function removeTree(directory: string): void {
  if (existsSync(directory) && statfsSync(directory).type === BTRFS_SUPER_MAGIC) {
    const writable = ['btrfs', 'property', 'set', '-t', 'subvol', '{}', 'ro', 'false', ';'];
    execFileSync('find', [directory, '-type', 'd', '-inum', '256', '-exec', ...writable]);
  }
  // Something may still be deleted in there by a process of its own.
  rmSync(directory, {recursive: true, force: true, maxRetries: 5});
}

// Scripts use this file too, and have no such hooks.
const hooks = globalThis as Partial<Record<'afterEach' | 'afterAll', (hook: () => void) => void>>;
hooks.afterEach?.(cleanUp);
hooks.afterAll?.(cleanUpAll);
