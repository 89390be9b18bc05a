/** Where an owner runs, as seen from here, and ending it. Nobody else is ever touched: one who cannot be told apart is not. */
import {setTimeout as sleep} from 'node:timers/promises';
import {
  isAlive,
  isSelf,
  rememberEnd,
  self,
  sharesBoot,
  sharesNamespaces,
  sharesTime,
  type Owner,
} from './identity.ts';
import {mountsOf} from './mounts.ts';
import {
  bootOf,
  entries,
  entryOf,
  isRunning,
  namespaceOf,
  numbersOf,
  ownDepth,
  processAt,
  signal,
  type Process,
} from './processes.ts';

/** `unseen`: in a namespace that cannot be seen from here, where it may run or not. */
export type Whereabouts = Process | 'ended' | 'unseen';

/** The kernel's number for the pid namespace that all others are in (PROC_PID_INIT_INO). */
const INITIAL = 'pid:[4026531836]';

/**
 * Whether an owner has certainly ended. One that has, counts as dead from then on (isAlive).
 * @param isHeld whether the lock is held that the owner holds for life (life.ts); undefined where it has none
 */
export function hasEnded(owner: Owner, isHeld: () => boolean | undefined = () => undefined): boolean {
  if (!isAlive(owner)) return true;
  if (isSelf(owner) || (sharesNamespaces(owner) && sharesBoot(owner))) return false;
  const held = isHeld();
  if (held === undefined) return find(owner) === 'ended';
  if (!held) rememberEnd(owner);
  return !held;
}

/**
 * Looks for an owner: in our own pid namespace, and in those further in, whose processes have numbers in ours too. One
 * that is found to have ended counts as dead from then on (isAlive). Reads all of /proc for one of another namespace.
 */
export function find(owner: Owner): Whereabouts {
  if (!isAlive(owner)) return 'ended';
  if (sharesNamespaces(owner)) {
    const entry = entryOf(owner.pid);
    const found = entry === undefined ? undefined : processAt(entry);
    // One that /proc hides from us counts as alive.
    if (found?.started !== owner.started) return isAlive(owner) ? 'unseen' : 'ended';
    return isOfBoot(found, owner) ? found : 'unseen';
  }
  // Where /proc is that of another pid namespace, it does not show which others are within ours.
  if (!sharesTime(owner) || ownDepth() > 0) return 'unseen';
  const all = entries();
  for (const entry of all) {
    const process: Process = {entry, pid: entry, started: owner.started};
    const numbers = numbersOf(entry);
    if (numbers.at(-1) !== owner.pid || !isRunning(process)) continue;
    // One that has a single number is of our own namespace, also where we may not look at it.
    const namespace = numbers.length === 1 ? self().namespace : namespaceOf(entry);
    if (namespace === owner.namespace) return isOfBoot(process, owner) ? process : 'unseen';
    // Not ours to look at: it may be the one.
    if (namespace === undefined && isRunning(process)) return 'unseen';
  }
  // Of a namespace that we see anything of, we see everything.
  const isSeen = isOutermost() || all.some((entry) => namespaceOf(entry) === owner.namespace);
  if (!isSeen || isFiltered() || owner.time !== self().time) return 'unseen';
  rememberEnd(owner);
  return 'ended';
}

/**
 * Whether a process that has an owner's number and start is that owner, and not one that got both in another boot. It sees
 * the boot id that its owner saw, be that the machine's or its container's.
 */
function isOfBoot({entry}: Process, owner: Owner): boolean {
  return sharesBoot(owner) || bootOf(entry) === owner.boot;
}

/** Whether we see all processes of the machine, whatever namespaces they are in. */
export function seesEverybody(): boolean {
  return isOutermost() && !isFiltered();
}

function isOutermost(): boolean {
  return self().namespace === INITIAL;
}

/** Whether /proc is mounted so that it may keep processes from us (its option hidepid, proc(5)). */
function isFiltered(): boolean {
  const options = mountsOf().find(({mountPoint}) => mountPoint === '/proc')?.options ?? [];
  return options.some((option) => /^hidepid=(?!0$|off$)/.test(option));
}

/** The owner for a message: its number, and whose number that is if not ours. */
export function describeOwner(owner: Owner): string {
  if (sharesNamespaces(owner)) return `pid ${owner.pid}`;
  const there = `pid ${owner.pid} in the pid namespace ${owner.namespace.replace(/\D/g, '')}`;
  const found = find(owner);
  if (found === 'unseen') return `${there}, which cannot be seen from here`;
  return found === 'ended' ? there : `pid ${found.pid}, ${there}`;
}

const WAIT_MS = 5000;
const PAUSE_MS = 20;

/**
 * Kills an owner that was found, and waits for its end.
 * @returns false for one that does not end: it waits in the kernel
 * @throws ChrootctlError NOT_PERMITTED
 */
export async function kill(owner: Owner, found: Process): Promise<boolean> {
  signal(found, 'SIGKILL');
  const deadline = Date.now() + WAIT_MS;
  while (isRunning(found)) {
    if (Date.now() > deadline) return false;
    await sleep(PAUSE_MS);
  }
  rememberEnd(owner);
  return true;
}
