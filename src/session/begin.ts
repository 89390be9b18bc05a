/** Beginning a session that is kept: a writable clone, mounted in the host's mount namespace until it is ended. */
import type {RunOptions, SessionRecord} from '../store/records.ts';
import {readReference} from '../store/resolve.ts';
import {checkSessionName} from '../store/sessions.ts';
import type {Store} from '../store/store.ts';
import {randomId} from '../ids.ts';
import {discard} from './discard.ts';
import {pin} from './pin.ts';
import {mountNamespace, mountVolume} from './root.ts';
import {limitOf} from './spec.ts';

export interface BeginOptions {
  name?: string | undefined;
  labels?: Record<string, string> | undefined;
  options?: RunOptions | undefined;
  command?: readonly string[] | undefined;
  /** It ends with this process: what is left of it then is anybody's to collect. Others run commands in it as in any. */
  endsWithUs?: boolean | undefined;
}

export interface Begun {
  record: SessionRecord;
  /** Path of the mounted root. */
  root: string;
}

/** @throws ChrootctlError NOT_FOUND, USAGE, BUSY when the name is taken */
export async function begin(store: Store, reference: string, wanted: BeginOptions = {}): Promise<Begun> {
  const {endsWithUs = false} = wanted;
  const id = wanted.name === undefined ? randomId(12) : checkSessionName(wanted.name);
  // From before there is a record: else somebody could use, or end, what is not all there yet.
  return store.sessions.locked(id, async () => {
    const {record, version} = await pin(store, readReference(store, reference), {
      id,
      kind: 'session',
      ephemeral: endsWithUs,
      ...(endsWithUs ? {shared: true} : {}),
      command: [...(wanted.command ?? [])],
      labels: wanted.labels ?? {},
      options: wanted.options ?? {},
      ...(wanted.name === undefined ? {} : {name: id}),
    });
    try {
      if (endsWithUs) await store.sessions.share(id);
      await store.driver.create(record.volume, {
        parent: version.volume,
        ephemeral: endsWithUs,
        ...limitOf(record.options),
      });
      const begun = {...record, pending: [], mounted: mountNamespace()};
      store.sessions.replace(begun);
      return {record: begun, root: await mountVolume(store, begun)};
    } catch (error) {
      await discard(store, record);
      throw error;
    }
  });
}
