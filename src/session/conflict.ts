/** A commit that came too late: what the user is told, and the three ways on. */
import {ChrootctlError, toChrootctlError} from '../errors.ts';
import {StaleRecords} from '../storage/ledger.ts';
import type {Kept} from './keep.ts';

export function isConflict(error: unknown): error is ChrootctlError {
  return error instanceof ChrootctlError && error.code === 'CONFLICT';
}

/** The same conflict for somebody whose work waits in a session. */
export function explainConflict(conflict: ChrootctlError, session: string): ChrootctlError {
  return new ChrootctlError('CONFLICT', `${conflict.message}; session ${session} keeps the work`, {
    hint: conflict instanceof StaleRecords && conflict.hint !== undefined ? conflict.hint : waysOn(session),
    cause: conflict,
  });
}

/** The same for a run that was turned into a session, or could not be. */
export function keptConflict(conflict: unknown, session: string, {isSession, trouble}: Kept): ChrootctlError {
  const cause = toChrootctlError(conflict);
  if (isSession) {
    const told = explainConflict(cause, session);
    return trouble === undefined ? told : told.with(trouble);
  }
  return new ChrootctlError('CONFLICT', `${cause.message}; ${trouble?.message ?? ''}`, {
    ...(trouble?.hint === undefined ? {} : {hint: trouble.hint}),
    cause,
  });
}

function waysOn(session: string): string {
  return (
    'three ways on: run it again on the new state (chrootctl update does so by itself), ' +
    `commit under another tag (chrootctl commit ${session} IMAGE:TAG), ` +
    `or overwrite (chrootctl commit ${session} --force)`
  );
}
