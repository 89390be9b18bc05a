/** What runs in a kept session, wherever: in our pid namespace, in one further in, or where it cannot be seen. */
import {ChrootctlError} from '../errors.ts';
import {descendantsOf} from '../sandbox/processes.ts';
import type {Exec} from '../store/execs.ts';
import type {Store} from '../store/store.ts';
import {describeOwner, find} from '../system/owners.ts';
import {isRunning, numbersOf, type Process} from '../system/processes.ts';

/** What to do about an owner in a namespace that cannot be seen. */
export const UNSEEN_HINT =
  'wait until it ends, or try again where it can be seen: in its own container, or on the host';

/**
 * The processes that the sandboxes of the commands descend from. A command that waits for its turn has none yet.
 * @throws ChrootctlError BUSY for one that cannot be seen from here
 */
export function sandboxesOf(execs: readonly Exec[]): Process[] {
  return execs.flatMap(({session, command, owner, sandbox}) => {
    if (sandbox === null) return [];
    const found = find({...owner, ...sandbox});
    if (found !== 'unseen') return found === 'ended' ? [] : [found];
    throw new ChrootctlError(
      'BUSY',
      `session ${session} is in use by a command that cannot be stopped meanwhile: ${command.join(' ')} (${describeOwner(owner)})`,
      {hint: UNSEEN_HINT},
    );
  });
}

/**
 * Descendants of the given processes that live in pid namespaces further in, parents first. Whoever was born in a
 * sandbox stays a descendant: its process 1 adopts those whose parents end.
 */
export function processesIn(sandboxes: readonly Process[]): Process[] {
  return sandboxes.filter(isRunning).flatMap((sandbox) => {
    const outside = numbersOf(sandbox.entry).length;
    return descendantsOf(sandbox).filter(({entry}) => numbersOf(entry).length > outside);
  });
}

/** @throws ChrootctlError BUSY while a command runs in the session, wherever */
export function assertUnused(store: Store, id: string): void {
  const [running] = store.execs.runningIn(id);
  if (running === undefined) return;
  const {command, owner} = running;
  throw new ChrootctlError(
    'BUSY',
    `session ${id} is in use: ${command.join(' ')} (${describeOwner(owner)})`,
    {
      hint: 'wait for it or kill it, then end the session',
    },
  );
}
