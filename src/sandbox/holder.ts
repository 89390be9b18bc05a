/**
 * A sandbox that lasts from command to command, with what they leave running: a small process holds its namespaces open
 * (native/supervisor/holding.c), each command enters it (native/supervisor/entering.c).
 *
 *     supervisor      waits outside, where nobody inside sees it: has the lock that tells whether the sandbox is there
 *      └ supervisor   process 1 of a process namespace, in a mount namespace of its own: has bwrap make the sandbox in another
 *         │           one, takes hold of that, and leaves for an empty root without any capability
 *         └ bwrap     makes the sandbox, starts native/inside, which says that all is there; both are ended then
 *
 * The two end each other. They outlive whoever has started them, and have none of his descriptors.
 */
import {mkdirSync} from 'node:fs';
import type {Readable, Writable} from 'node:stream';
import {ChrootctlError, toChrootctlError} from '../errors.ts';
import {self, startOf, type Owner} from '../system/identity.ts';
import {isRunning, processAt, type Process} from '../system/processes.ts';
import {insideProgram, supervisorProgram} from '../system/installed.ts';
import {LOCKED_MODE} from '../system/life.ts';
import {notStarted, start, systemPath} from '../system/programs.ts';
import {rootFlags} from './entrance.ts';
import {prepareFor} from './launch.ts';
import {failureOf} from './outcome.ts';
import type {Place} from './places.ts';
import {childrenOf} from './processes.ts';
import type {SandboxSpec} from './spec.ts';
import {hasOwnWall} from './supervisor.ts';

/** The process that holds a sandbox, process 1 of it, by its entry in /proc (system/processes.ts). */
export type Holder = Pick<Owner, 'pid' | 'started'>;

/** The one of a sandbox that descends from this process; undefined when that has ended. */
export function holderIn(sandbox: Process): Holder | undefined {
  const [entry] = childrenOf(sandbox.entry);
  const found = entry === undefined ? undefined : processAt(entry);
  // Afterwards: whose child it is was asked by numbers.
  return found !== undefined && isRunning(sandbox) ? {pid: found.entry, started: found.started} : undefined;
}

/** Whether sandboxes can be held here: there was a compiler for what does it, and it is no trial that cannot. */
export function canHold(): boolean {
  return supervisorProgram() !== undefined && insideProgram() !== undefined && !hasOwnWall();
}

export interface HoldOptions {
  /** A file of ours that is to be locked for life as long as the sandbox is there (system/life.ts). */
  lifeline?: number | undefined;
  /** Called before anything is made in the root, with what will be and is no command's doing. */
  onPlaces?: (places: readonly Place[]) => void;
  /** Called with the process that it descends from. Until this has come back it ends with us. */
  onHeld: (sandbox: Owner) => void;
}

/**
 * Makes a sandbox without a command, and gives the process that it descends from. Its control groups are those of whoever calls.
 * @throws ChrootctlError as `launch`
 */
export async function hold(spec: SandboxSpec, {lifeline, onPlaces, onHeld}: HoldOptions): Promise<Owner> {
  const [supervisor, inside] = [supervisorProgram(), insideProgram()];
  if (supervisor === undefined || inside === undefined)
    throw new ChrootctlError('FAILED', 'what holds a sandbox is missing: native/supervisor, native/inside');
  const prepared = await prepareFor(spec, inside);
  onPlaces?.(prepared.places);
  if ('plan' in spec.root) mkdirSync(spec.root.mountPoint, {recursive: true});
  // By the last word it is found in a list of processes; it is nothing to it.
  const words = ['hold', LOCKED_MODE.toString(8), String(remountOf(spec)), rootOf(spec)];
  const child = start(supervisor, words, {
    stdio: ['pipe', 'pipe', 'pipe', lifeline ?? 'ignore'],
    env: {PATH: systemPath()},
    cwd: '/',
  });
  const ends: readonly unknown[] = child.stdio;
  const [stdin, stdout, stderr] = ends as [Writable, Readable, Readable];
  let complaint = '';
  const outcome: {held?: Owner; failure?: Error} = {};
  stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  // Few bytes, written at once.
  stdout.setEncoding('utf8').once('data', (text: string) => {
    const pid = Number(text);
    const held = {...self(), pid, started: startOf(pid) ?? ''};
    outcome.held = held;
    try {
      onHeld(held);
      stdin.write('go');
    } catch (error) {
      outcome.failure = toChrootctlError(error);
      child.kill('SIGKILL');
    }
  });
  // One that fails early closes its end (EPIPE); it says why.
  stdin.on('error', () => undefined).write(prepared.holding(lifeline !== undefined));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => reject(notStarted('supervisor', error)));
    child.once('close', resolve);
  });
  const {held, failure} = outcome;
  if (failure !== undefined) throw failure;
  if (code !== 0 || held === undefined) throw failureOf(complaint, 0);
  return held;
}

function rootOf({root}: SandboxSpec): string {
  return 'plan' in root ? root.mountPoint : root.directory;
}

/** How the root is mounted again, so that set-uid programs in it count; 0 where they are not to. */
function remountOf({newPrivileges, readOnly, privileged, deviceNodes}: SandboxSpec): number {
  return newPrivileges === true ? rootFlags({readOnly, hasDevices: privileged || deviceNodes === true}) : 0;
}
