/** The mounted root of a kept session: in the host's mount namespace, brought back when a reboot took it. */
import {mkdirSync, readdirSync, readlinkSync, rmdirSync} from 'node:fs';
import {dirname} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError, errnoOf} from '../errors.ts';
import type {VolumeHolder} from '../storage/driver.ts';
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {callWords} from '../system/calls.ts';
import {inDirectory, isThere} from '../system/files.ts';
import {describeHolders, holdersOf} from '../system/holders.ts';
import {mountFunction} from '../system/mount-plan.ts';
import {mountsOf} from '../system/mounts.ts';
import {attempt, attemptAtOnce, lastLine} from '../system/programs.ts';
import {refusalOf} from '../system/refusal.ts';
import {mountFailure} from '../system/view.ts';
import {isInterrupted, settle} from './interrupted.ts';
import {usable} from './kept.ts';
import {endSandbox} from './sandbox.ts';

/** A mount may be busy for a moment after its last process ended. */
const UNMOUNT_ATTEMPTS = 10;
const PAUSE_MS = 50;

export function mountedRoot(store: Store, id: string): string | null {
  const path = store.layout.mount(id);
  return isMounted(path) ? path : null;
}

/**
 * Mounted roots of other kept sessions, of which the namespace of a command would hold copies; where unmounts reach
 * the copies, there is nothing to do.
 */
export function otherRoots(store: Store, id?: string): string[] {
  const {mounts} = store.layout;
  if (inDirectory(mounts, () => readdirSync(mounts)).length === 0) return [];
  const own = id === undefined ? undefined : store.layout.mount(id);
  return mountsOf()
    .filter(
      ({mountPoint, shared}) => !shared && dirname(mountPoint) === store.layout.mounts && mountPoint !== own,
    )
    .map(({mountPoint}) => mountPoint);
}

export function isMounted(path: string): boolean {
  return mountsOf().some((mount) => mount.mountPoint === path);
}

/**
 * The path of a kept session's root, ready for a command: mounted now if it was not, and not about to be unmounted.
 * The caller's exec record is written already, so that a change that begins later sees it.
 * @throws ChrootctlError NOT_FOUND, BUSY
 */
export async function readyRoot(store: Store, id: string): Promise<string> {
  const path = usable(store, id).changing ? null : mountedRoot(store, id);
  return path ?? store.sessions.locked(id, () => restoreRoot(store, usable(store, id)));
}

/** Mounts a root that a reboot, or a change that was interrupted, left unmounted. For the holder of the session's lock. */
export async function restoreRoot(store: Store, record: SessionRecord): Promise<string> {
  const mounted = mountedRoot(store, record.id);
  if (mounted !== null && !isInterrupted(record)) return mounted;
  const settled = await settle(store, record);
  let path: string;
  try {
    path = mounted ?? (await mountAgain(store, settled));
  } catch (error) {
    // Settled, and in somebody else's hands: nobody has to settle it once more.
    if (settled.changing && error instanceof ChrootctlError && error.code === 'BUSY')
      store.sessions.replace({...settled, changing: false});
    throw error;
  }
  // Last: until then, whoever comes next has to settle it.
  if (settled.changing) {
    const {mounted: where} = store.sessions.get(record.id);
    store.sessions.replace({...settled, mounted: where, changing: false});
  }
  return path;
}

async function mountAgain(store: Store, record: SessionRecord): Promise<string> {
  // Whatever has taken the root away here, the sandbox has it still; to end that hurts no command that somebody waits for.
  if (store.execs.runningIn(record.id).every(({sandbox}) => sandbox === null))
    await endSandbox(store, record);
  await assertNotElsewhere(store, record);
  return mountVolume(store, record);
}

/**
 * Makes sure that a root which is not mounted here is not mounted elsewhere.
 * @throws ChrootctlError BUSY
 */
async function assertNotElsewhere(store: Store, {id, volume, mounted}: SessionRecord): Promise<void> {
  let holder = await store.driver.holder?.(volume);
  if (holder !== undefined && mounted === mountNamespace()) {
    // It was mounted here, and somebody has unmounted it: what is left are copies, in namespaces that were made meanwhile.
    // They go with the mount point, but for one that somebody stands in.
    removeMountPoint(store.layout.mount(id));
    holder = await store.driver.holder?.(volume);
  }
  if (holder !== undefined) throw mountedElsewhere(id, holder);
}

function mountedElsewhere(id: string, {mountPoint, process}: VolumeHolder): ChrootctlError {
  const where =
    mountPoint === undefined
      ? 'in a mount namespace that cannot be seen from here'
      : process === undefined
        ? `at ${mountPoint}`
        : `at ${mountPoint} in the mount namespace of process ${process.pid} (${process.command})`;
  return new ChrootctlError('BUSY', `session ${id} is mounted ${where}`, {
    hint:
      process === undefined
        ? 'use it there, or unmount it there'
        : `use it there (nsenter --mount --target ${process.pid} chrootctl …), or unmount it there, or end what runs there`,
  });
}

export function mountNamespace(): string {
  return readlinkSync('/proc/self/ns/mnt');
}

/**
 * Mounts the root of a session whose volume is known to be active, and writes down in which mount namespace. For its maker
 * or the holder of its lock.
 */
export async function mountVolume(store: Store, record: SessionRecord): Promise<string> {
  const {id, volume} = record;
  const path = store.layout.mount(id);
  mkdirSync(path, {recursive: true, mode: 0o700});
  const plan = await store.driver.plan(volume);
  const words = ['-t', plan.type, '-o', plan.options.join(','), '--', plan.source, path];
  const script = `${mountFunction(plan)}\nmount_plan "$@"`;
  const {code, stderr} = await attempt('sh', ['-c', script, 'mount', ...words], {cwd: plan.workingDirectory});
  if (code !== 0) throw mountFailure(stderr);
  const mounted = mountNamespace();
  if (record.mounted !== mounted) store.sessions.replace({...record, mounted});
  return path;
}

/**
 * Ends what runs in a session's sandbox, and unmounts its root if it is mounted. For the holder of the session's lock.
 * @throws ChrootctlError BUSY naming the processes that hold it, or who has it elsewhere; NOT_PERMITTED
 */
export async function unmountRoot(store: Store, record: SessionRecord): Promise<void> {
  const {id, volume} = record;
  await endSandbox(store, record);
  const path = store.layout.mount(id);
  const wasMounted = isMounted(path);
  if (!wasMounted && isThere(path)) await assertNotElsewhere(store, record);
  for (let tries = 1; isMounted(path); tries++) {
    const [file, ...args] = callWords(['unmount', path], () => ['umount', '--', path]);
    const {code, stderr} = attemptAtOnce(file, args);
    if (code === 0) continue;
    const refusal = refusalOf(`cannot unmount session ${id}`, stderr);
    if (refusal !== undefined) throw refusal;
    if (tries < UNMOUNT_ATTEMPTS) {
      await sleep(PAUSE_MS);
      continue;
    }
    const holders = holdersOf(path);
    throw new ChrootctlError(
      'BUSY',
      holders.length > 0
        ? `session ${id} is in use by ${describeHolders(holders)}`
        : `cannot unmount session ${id}: ${lastLine(stderr)}`,
      {hint: 'end these processes first'},
    );
  }
  const copy = wasMounted ? await store.driver.holder?.(volume, {patient: false}) : undefined;
  // It lets go of copies in other mount namespaces, which were made together with these. In one that a process stands in
  // that goes on.
  removeMountPoint(path);
  if (copy !== undefined && (await store.driver.holder?.(volume)) !== undefined)
    throw mountedElsewhere(id, copy);
}

export function removeMountPoint(path: string): void {
  try {
    rmdirSync(path); // rmdir, never a recursive removal: what is mounted here must not be deleted through.
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
