/** A commit that came too late: what the user is told, and the three ways on. */
import {ChrootctlError} from '../errors.ts';
import {StaleRecords} from '../storage/ledger.ts';

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

function waysOn(session: string): string {
  return (
    'three ways on: run it again on the new state (chrootctl update does so by itself), ' +
    `commit under another tag (chrootctl commit ${session} IMAGE:TAG), ` +
    `or overwrite (chrootctl commit ${session} --force)`
  );
}
