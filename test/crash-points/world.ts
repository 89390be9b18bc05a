/** A store in a directory of its own, with what there is in it when a command starts. */
import {execFileSync, spawn} from 'node:child_process';
import {mkdtempSync} from 'node:fs';
import {join} from 'node:path';
import {Store} from '../../src/index.ts';
import {mountsOf} from '../../src/system/mounts.ts';
import {outcomeOf, programFor, type Outcome} from '../cli/chrootctl.ts';
import {endSandboxesBelow, removeTree, temporaryDataset} from '../temporary.ts';

export class World {
  /** All that a command may change lies below it. */
  readonly directory: string;
  readonly store: string;
  readonly driver: string;
  /** zfs: where the volumes are. */
  readonly dataset: string | undefined;

  /** @param room a directory on a file system that the driver can work on */
  constructor(room: string, driver: string) {
    this.directory = mkdtempSync(join(room, 'world-'));
    this.store = join(this.directory, 'store');
    this.driver = driver;
    this.dataset = driver === 'zfs' ? temporaryDataset() : undefined;
  }

  /** The store as the engine sees it; it is made by the first who opens it. */
  async open(): Promise<Store> {
    return Store.open({root: this.store, driver: this.driver, dataset: this.dataset});
  }

  /** Calls the real binary; what it prints on standard output is all read. */
  async call(
    words: readonly string[],
    variables: Record<string, string> = {},
    through: readonly string[] = [],
    input?: string,
  ): Promise<Outcome> {
    const [file = '', ...rest] = [...through, programFor(variables), ...words];
    const child = spawn(file, rest, {
      cwd: this.directory,
      env: {
        PATH: process.env['PATH'],
        HOME: this.directory,
        CHROOTCTL_ROOT: this.store,
        CHROOTCTL_DRIVER: this.driver,
        ...variables,
      },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    child.stdin?.on('error', () => undefined); // One that died reads no more.
    child.stdin?.end(input);
    return outcomeOf(child);
  }

  destroy(): void {
    endSandboxesBelow(this.directory);
    for (const {mountPoint} of mountsOf().reverse())
      if (mountPoint.startsWith(`${this.directory}/`)) execFileSync('umount', ['-l', mountPoint]);
    removeTree(this.directory);
    if (this.dataset !== undefined) execFileSync('zfs', ['destroy', '-R', this.dataset], {stdio: 'ignore'});
  }
}
