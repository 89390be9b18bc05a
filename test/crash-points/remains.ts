/** What a dead command may have left outside its files: mounts, in whatever namespace, and processes. */
import {readdirSync, readFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {mountsOf} from '../../src/system/mounts.ts';
import type {World} from './world.ts';

/** Milliseconds: the kernel, and whoever deletes in the background, get as long to come to an end. */
const PATIENCE = 20_000;

/** What is still there after a while, when there is no session any more. */
export async function remainsOf(world: World): Promise<string[]> {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const found = [...mounts(world), ...processes(world)];
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(10);
  }
}

function mounts(world: World): string[] {
  return mountsOf()
    .map(({mountPoint}) => mountPoint)
    .filter((path) => path.startsWith(`${world.directory}/`))
    .map((path) => `${path} is mounted`);
}

/** Others that have the world in their words, or mounted. */
function processes(world: World): string[] {
  const home = readMounts('self');
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .flatMap((pid) => {
      const words = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
      if (words.includes(world.directory)) return [`process ${pid} is there: ${words}`];
      const seen = readMounts(pid);
      return seen !== home && seen.includes(`${world.directory}/`)
        ? [`process ${pid} has a mount: ${words}`]
        : [];
    });
}

function readMounts(pid: string): string {
  return read(`/proc/${pid}/mountinfo`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // It ended.
  }
}
