/** Temporary directories that go with their test, mounts included. */
import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {mountsOf} from '../src/system/mounts.ts';

const made: string[] = [];

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'chrootctl-test-'));
  made.push(directory);
  return directory;
}

export function cleanUp(): void {
  for (const directory of made.splice(0)) {
    for (const {mountPoint} of mountsOf().reverse()) {
      if (mountPoint === directory || mountPoint.startsWith(`${directory}/`)) {
        execFileSync('umount', ['-l', mountPoint]);
      }
    }
    rmSync(directory, {recursive: true, force: true});
  }
}

// Scripts use this file too, and have no such hook.
(globalThis as {afterEach?: (hook: () => void) => void}).afterEach?.(cleanUp);
