/** What came of imports that broke off: kept for a while, so that they can go on. */
import type {Unfinished} from '../storage/stream-contract.ts';
import type {Store} from '../store/store.ts';
import {formatAge, formatSize} from '../units.ts';
import type {Leftover} from './litter.ts';

const KEPT_MS = 7 * 24 * 3600 * 1000;

export interface Transfers {
  /** Nobody has gone on with them for long, or nobody can. */
  expired: Unfinished[];
  /** They can still go on. */
  waiting: Unfinished[];
}

/** Those that no import is receiving now. */
export async function transfers(store: Store): Promise<Transfers> {
  // These first: an import has a record before it receives anything.
  const all = (await store.driver.streams?.unfinished()) ?? [];
  const {records, damaged} = store.sessions.all();
  // What cannot be read may be of an import that is at work.
  if (damaged.length > 0) return {expired: [], waiting: []};
  const alive = records.filter((record) => !store.sessions.isDead(record));
  const idle = all.filter(({id}) => !alive.some(({volume}) => volume === id));
  const isExpired = ({token, since}: Unfinished): boolean =>
    token === undefined || since === undefined || Date.now() - since.getTime() > KEPT_MS;
  return {expired: idle.filter(isExpired), waiting: idle.filter((one) => !isExpired(one))};
}

export function describeTransfer({name, size, since}: Unfinished): string {
  const when = since === undefined ? 'at its end' : formatAge(since.toISOString());
  return `an import of stream ${name} broke off ${when}; ${formatSize(size)} of it are kept`;
}

/** Those that nobody goes on with; with `transfers` also those that could go on. */
export async function abandonedTransfers(
  store: Store,
  {transfers: all = false}: {transfers?: boolean},
): Promise<Leftover[]> {
  const {expired, waiting} = await transfers(store);
  return [...expired, ...(all ? waiting : [])].map((transfer) => ({
    kind: 'unfinished-transfer',
    what: describeTransfer(transfer),
    fix: 'drop it',
    collect: async () => store.driver.streams?.abandon(transfer.name),
  }));
}
