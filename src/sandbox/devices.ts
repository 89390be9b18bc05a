/** Which devices a command may use, as the devices controller is told (Documentation/admin-guide/cgroup-v1/devices.rst). */
import {readdirSync, statSync} from 'node:fs';
import {join} from 'node:path';
import type {Device} from './spec.ts';

/**
 * What every sandbox has: null, zero, full, random, urandom, tty, ptmx, pts. Nodes of all can be made. As docker's default
 * but for 5:1, /dev/console, which is the machine's.
 */
const ALWAYS = [
  ...['c *:* m', 'b *:* m'],
  ...['c 1:3 rwm', 'c 1:5 rwm', 'c 1:7 rwm', 'c 1:8 rwm', 'c 1:9 rwm'],
  ...['c 5:0 rwm', 'c 5:2 rwm', 'c 136:* rwm'],
];

/** The rules for these devices and those that every sandbox has. Of a directory all that are in it now count. */
export function deviceRules(devices: readonly Device[]): string[] {
  return [...ALWAYS, ...devices.flatMap(({source, access}) => rulesFor(source, access))];
}

/** Whether a device is to be had for less than all. */
export function isRestricted({access}: Device): boolean {
  return !(access.includes('r') && access.includes('w'));
}

function rulesFor(source: string, access: string): string[] {
  const stats = statSync(source, {throwIfNoEntry: false});
  if (stats?.isDirectory() === true)
    return readdirSync(source).flatMap((name) => rulesFor(join(source, name), access));
  if (stats === undefined || (!stats.isCharacterDevice() && !stats.isBlockDevice())) return [];
  // makedev(3), as the C library has it.
  const {rdev} = stats;
  const [major, minor] = [(rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)];
  return [`${stats.isBlockDevice() ? 'b' : 'c'} ${major}:${minor} ${access}`];
}
