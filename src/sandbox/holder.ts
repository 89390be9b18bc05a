/**
 * A sandbox that lasts from command to command, with what they leave running: a small process holds its namespaces open
 * (native/supervisor/holding.c), each command enters it (native/supervisor/entering.c).
 *
 *     supervisor   process 1 of a process namespace, in a mount namespace of its own: mounts the root, has bwrap make the
 *      │           sandbox in another one, takes hold of that, and leaves for an empty root without any capability
 *      └ bwrap     makes the sandbox, starts native/inside, which says that all is there; both are ended then
 *
 * It outlives whoever has started it, and has none of his descriptors.
 */
import {mkdirSync} from 'node:fs';
import {ChrootctlError, toChrootctlError} from '../errors.ts';
import {self, startOf, type Owner} from '../system/identity.ts';
import {insideProgram, supervisorProgram} from '../system/installed.ts';
import {notStarted, start, systemPath} from '../system/programs.ts';
import {prepareFor} from './launch.ts';
import {failureOf} from './outcome.ts';
import type {Place} from './places.ts';
import type {SandboxSpec} from './spec.ts';

/** The process that holds a sandbox. */
export type Holder = Pick<Owner, 'pid' | 'started'>;

/** Whether sandboxes can be held here: there was a compiler for what does it. */
export function canHold(): boolean {
  return supervisorProgram() !== undefined && insideProgram() !== undefined;
}

export interface HoldOptions {
  /** Called before anything is made in the root, with what will be and is no command's doing. */
  onPlaces?: (places: readonly Place[]) => void;
  /** Called with the process that holds it. Until this has come back it ends with us. */
  onHeld: (holder: Owner) => void;
}

/**
 * Makes a sandbox without a command. Its control groups are those of whoever calls.
 * @throws ChrootctlError as `launch`
 */
export async function hold(spec: SandboxSpec, {onPlaces, onHeld}: HoldOptions): Promise<Owner> {
  const [supervisor, inside] = [supervisorProgram(), insideProgram()];
  if (supervisor === undefined || inside === undefined)
    throw new ChrootctlError('FAILED', 'what holds a sandbox is missing: native/supervisor, native/inside');
  const prepared = await prepareFor(spec, inside);
  onPlaces?.(prepared.places);
  if ('plan' in spec.root) mkdirSync(spec.root.mountPoint, {recursive: true});
  const child = start(supervisor, ['hold'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {PATH: systemPath()},
    cwd: '/',
  });
  let complaint = '';
  const outcome: {held?: Owner; failure?: Error} = {};
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  // Few bytes, written at once.
  child.stdout.setEncoding('utf8').once('data', (text: string) => {
    const pid = Number(text);
    const held = {...self(), pid, started: startOf(pid) ?? ''};
    outcome.held = held;
    try {
      onHeld(held);
      child.stdin.write('go');
    } catch (error) {
      outcome.failure = toChrootctlError(error);
      child.kill('SIGKILL');
    }
  });
  // One that fails early closes its end (EPIPE); it says why.
  child.stdin.on('error', () => undefined).write(prepared.holding());
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => reject(notStarted('supervisor', error)));
    child.once('close', resolve);
  });
  const {held, failure} = outcome;
  if (failure !== undefined) throw failure;
  if (code !== 0 || held === undefined) throw failureOf(complaint, 0);
  return held;
}
