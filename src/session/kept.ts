/** Which sessions others than their maker may use. */
import {ChrootctlError} from '../errors.ts';
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';

/**
 * The record of a session that is kept; it may still be being made. The volume of any other is its maker's alone: to
 * mount it twice could damage it.
 * @throws ChrootctlError NOT_FOUND, BUSY
 */
export function kept(store: Store, id: string): SessionRecord {
  return begun(store, store.sessions.get(id));
}

/**
 * The same for who runs something in it, or looks into it: also the record of one that ends with its owner, as long as that
 * lives and shares it.
 * @throws ChrootctlError NOT_FOUND, BUSY
 */
export function usable(store: Store, id: string): SessionRecord {
  const record = store.sessions.get(id);
  return record.shared === true && !store.sessions.isDead(record) ? record : begun(store, record);
}

function begun(store: Store, record: SessionRecord): SessionRecord {
  const {id} = record;
  if (record.ephemeral) {
    throw new ChrootctlError('BUSY', `session ${id} belongs to a command that ends by itself`, {
      hint: 'keep a session with chrootctl session begin, or with run --keep',
    });
  }
  if (store.sessions.isUnbegun(record) && store.sessions.isDead(record)) {
    throw new ChrootctlError(
      'BUSY',
      `session ${id} was never there: its process (pid ${record.owner.pid}) died`,
      {
        hint: `remove what is left of it: chrootctl session rm ${id}`,
      },
    );
  }
  return record;
}
