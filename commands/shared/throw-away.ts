/** What is thrown away with a session: it is said, and at a terminal it is asked first if that is much. */
import {ChrootctlError, messageOf} from '../../src/errors.ts';
import {isMuch, unsavedIn, type Unsaved} from '../../src/session/unsaved.ts';
import type {Store} from '../../src/store/store.ts';
import {canAsk, confirmed} from './confirm.ts';
import {printable} from './table.ts';

export interface Loss {
  /** Null for what holds nobody's work, or when it could not be told. */
  unsaved: Unsaved | null;
  /** Why it could not be told. */
  problem?: string;
}

/**
 * What would be lost with the session, now. Undefined where nobody wants to hear it.
 * @throws ChrootctlError FAILED when it is much and the answer was no
 */
export async function agreedLoss(
  store: Store,
  id: string,
  {force, quiet, json}: {force: boolean; quiet: boolean; json: boolean},
): Promise<Loss | undefined> {
  const asks = !force && canAsk();
  if (quiet && !json && !asks) return undefined;
  const loss = await lossOf(store, id);
  const {unsaved} = loss;
  if (asks && unsaved !== null && isMuch(unsaved) && !(await confirmed(questionOf(id, unsaved)))) {
    throw new ChrootctlError('FAILED', `session ${id} is left as it is`, {
      hint: `chrootctl diff ${id} shows what is in it, chrootctl commit ${id} keeps it; --force throws it away unasked`,
    });
  }
  return loss;
}

/** One line; undefined when nothing is lost. */
export function describeLoss({unsaved, problem}: Loss): string | undefined {
  if (problem !== undefined) return `thrown away: what was in it cannot be told (${problem})`;
  if (unsaved === null || (unsaved.complete && unsaved.example === null)) return undefined;
  return `thrown away: ${describe(unsaved)}`;
}

/** Nothing that is only to be said keeps a session from being ended. */
async function lossOf(store: Store, id: string): Promise<Loss> {
  try {
    return {unsaved: (await unsavedIn(store, id)) ?? null};
  } catch (error) {
    return {unsaved: null, problem: messageOf(error)};
  }
}

function questionOf(id: string, unsaved: Unsaved): string {
  return `session ${id} holds what is in no version: ${describe(unsaved)}. Throw it away?`;
}

function describe({added, changed, deleted, complete, example}: Unsaved): string {
  if (example === null) return 'perhaps much, it takes long to look through';
  const counts = Object.entries({added, changed, deleted}).filter(([, count]) => count > 0);
  const numbers = counts.map(([kind, count]) => `${count} ${kind}`).join(', ');
  const isOne = complete && added + changed + deleted === 1;
  return `${complete ? '' : 'at least '}${numbers} (${isOne ? '' : 'e.g. '}${printable(example)})`;
}
