/**
 * The sandbox of a session that others than its maker use: its commands share one, made for the first of them, so that what one
 * leaves running the next one meets (sandbox/holder.ts). It lasts until the session's root is taken away, and is made anew when
 * it has ended, with the machine or by somebody's hand. The session's record says what it descends from; that
 * it is there others see, in whatever container they are, by a lock on a file beside.
 */
import {closeSync} from 'node:fs';
import {isatty} from 'node:tty';
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError} from '../errors.ts';
import {canHold, hold, holderIn, type Holder} from '../sandbox/holder.ts';
import type {SandboxSpec} from '../sandbox/spec.ts';
import type {Exec} from '../store/execs.ts';
import {makeLifeline} from '../store/lifelines.ts';
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {inDirectory, removeIfExists} from '../system/files.ts';
import {isHeld} from '../system/life.ts';
import {describeOwner, find, hasEnded} from '../system/owners.ts';
import {isRunning, signal, type Process} from '../system/processes.ts';
import {usable} from './kept.ts';
import {notePlaces} from './places.ts';
import {processesIn, sandboxesOf, UNSEEN_HINT} from './running.ts';

/** How long what runs in it has to come to its end, before its state becomes a version. */
const GRACE_MS = 5000;
/** How long it may take to end what is killed. */
const PATIENCE_MS = 5000;
const PAUSE_MS = 2;

/**
 * Whether a command comes into the session's sandbox: nothing in the walls of its own is different, and nothing has to be had
 * that the sandbox cannot give.
 * @param own what the session's sandbox is made by
 * @param spec what the command's would be made by
 */
export function canShare(own: SandboxSpec, spec: SandboxSpec): boolean {
  return canHold() && isShareable(spec) && wallsOf(own) === wallsOf(spec) && !mayNeedTerminal(spec);
}

/** Control groups are those of one command, and removed when it has ended. */
function isShareable({limits, devices, deviceNodes, measured}: SandboxSpec): boolean {
  const {memory, cpus, pids} = limits;
  const isLimited = [memory, cpus, pids].some((limit) => limit !== undefined);
  return !isLimited && devices.length === 0 && deviceNodes !== true && measured !== true;
}

function wallsOf({readOnly, privileged, newPrivileges = false, ...rest}: SandboxSpec): string {
  const {network, hostname, volumes, tmpfs, shm} = rest;
  return JSON.stringify({readOnly, privileged, newPrivileges, network, hostname, volumes, tmpfs, shm});
}

/** One of his own, at the terminal of another user (sandbox/terminal.ts): that is not made in there. */
function mayNeedTerminal({user = 'root'}: SandboxSpec): boolean {
  return !/^(?:root|0)(?::|$)/.test(user) && [0, 1, 2].some((fd) => isatty(fd));
}

/**
 * The process that the session's sandbox descends from; undefined where there is none.
 * @throws ChrootctlError BUSY for one that cannot be seen from here
 */
export function sandboxOf(store: Store, {id, sandbox: owner}: SessionRecord): Process | undefined {
  // It has locked the file before it was written down.
  if (owner === undefined || hasEnded(owner, () => isHeld(lockOf(store, id)) ?? false)) return undefined;
  const found = find(owner);
  if (found !== 'unseen') return found === 'ended' ? undefined : found;
  throw new ChrootctlError('BUSY', `session ${id} has a sandbox elsewhere (${describeOwner(owner)})`, {
    hint: UNSEEN_HINT,
  });
}

/**
 * What all of the session descends from: some commands, and what others have left running.
 * @throws ChrootctlError BUSY for what cannot be seen from here
 */
export function sandboxesIn(store: Store, record: SessionRecord, execs: readonly Exec[]): Process[] {
  const own = sandboxesOf(execs);
  const shared = sandboxOf(store, record);
  return shared === undefined ? own : [...own, shared];
}

/**
 * Makes it, while nothing else of the session runs. For the holder of the session's lock.
 * @param own what it is made by
 */
export async function makeSandbox(store: Store, own: SandboxSpec, id: string): Promise<void> {
  const lock = lockOf(store, id);
  removeIfExists(lock);
  const lifeline = inDirectory(store.layout.locks, () => makeLifeline(lock, ''));
  try {
    await hold(ofNobody(own), {
      lifeline,
      onPlaces: (made) => notePlaces(store, id, made),
      onHeld: (sandbox) => store.sessions.replace({...usable(store, id), sandbox}),
    });
  } finally {
    closeSync(lifeline);
  }
}

/** As a command comes into it. @throws ChrootctlError FAILED for one that has just ended */
export function entranceTo(store: Store, record: SessionRecord): Holder {
  const sandbox = sandboxOf(store, record);
  const holder = sandbox === undefined ? undefined : holderIn(sandbox);
  if (holder !== undefined) return holder;
  throw new ChrootctlError('FAILED', `the sandbox of session ${record.id} has been ended by somebody`, {
    hint: 'try again: a new one is made',
  });
}

/** Without what is each command's. */
function ofNobody({id, root, placed = [], detach = [], ...own}: SandboxSpec): SandboxSpec {
  const {network, readOnly, volumes, tmpfs, hostname, shm, privileged, newPrivileges = false} = own;
  return {
    ...{id, root, placed, detach, network, readOnly, volumes, tmpfs, privileged, newPrivileges},
    ...(hostname === undefined ? {} : {hostname}),
    ...(shm === undefined ? {} : {shm}),
    ...{command: ['true'], env: {}, workdir: '/', devices: [], ulimits: [], limits: {}},
    capabilities: {add: [], drop: []},
  };
}

/** Whether something runs in it that no command waits for. */
export function isOccupied(sandbox: Process): boolean {
  return leftIn(sandbox).length > 0;
}

/** All that runs in it but its process 1. */
function leftIn(sandbox: Process): Process[] {
  return processesIn([sandbox]).slice(1).filter(isRunning);
}

/**
 * Ends it, and all that runs in it. For the holder of the session's lock. Idempotent.
 * @param isGentle tell what runs in it first, and give it time
 * @throws ChrootctlError BUSY
 */
export async function endSandbox(
  store: Store,
  record: SessionRecord,
  {isGentle = false}: {isGentle?: boolean} = {},
): Promise<void> {
  if (record.sandbox === undefined) return;
  const sandbox = sandboxOf(store, record);
  if (sandbox !== undefined) {
    if (isGentle) await tellToEnd(leftIn(sandbox));
    await kill(record.id, sandbox);
  }
  removeIfExists(lockOf(store, record.id));
}

async function tellToEnd(processes: readonly Process[]): Promise<void> {
  for (const process of processes) signal(process, 'SIGTERM');
  await until(() => !processes.some(isRunning), GRACE_MS);
}

/** Its process 1, with which all others end; the one outside waits for that. @throws ChrootctlError BUSY */
async function kill(id: string, sandbox: Process): Promise<void> {
  signal(processesIn([sandbox])[0] ?? sandbox, 'SIGKILL');
  if (await until(() => !isRunning(sandbox), PATIENCE_MS)) return;
  throw new ChrootctlError('BUSY', `what runs in session ${id} does not end`, {
    hint: 'it waits in the kernel, for a disk or for a server: try again later',
  });
}

/** Whether it has become so in this time. */
async function until(isSo: () => boolean, milliseconds: number): Promise<boolean> {
  const deadline = Date.now() + milliseconds;
  while (!isSo()) {
    if (Date.now() > deadline) return false;
    await sleep(PAUSE_MS);
  }
  return true;
}

function lockOf(store: Store, id: string): string {
  return store.layout.lock('sandbox', id);
}
