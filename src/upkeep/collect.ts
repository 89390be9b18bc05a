/** Collecting what crashes left. Safe at any time, beside anything. */
import {claimsOf, rootsOf} from '../store/roots.ts';
import type {Store} from '../store/store.ts';
import {collectEach} from './each.ts';
import {givenUp} from './give-up.ts';
import type {Leftover} from './litter.ts';
import {survey, type SurveyOptions} from './survey.ts';

export interface CollectOptions extends SurveyOptions {
  /** Volumes that would be left, by id, and records that cannot be read, by path: a person has decided that they are nobody's. */
  giveUp?: readonly string[];
}

export interface Collected {
  collected: Leftover[];
  failed: {leftover: Leftover; error: unknown}[];
  /** Volumes that nobody is found to name and that stay, since somebody may, and what else cannot be read: a line each. */
  left: string[];
}

/** What `collect` would do, but for what it cannot. */
export async function wouldCollect(store: Store, options: CollectOptions = {}): Promise<Collected> {
  const {leftovers, left} = await found(store, options);
  return {collected: leftovers, failed: [], left};
}

/**
 * Collects everything that a survey finds; one that cannot be collected does not keep the others.
 * @throws ChrootctlError NOT_FOUND for what is to be given up and is in no doubt; then nothing has been collected
 */
export async function collect(store: Store, options: CollectOptions = {}): Promise<Collected> {
  const collected: Leftover[] = [];
  const failed: {leftover: Leftover; error: unknown}[] = [];
  const {leftovers, left} = await found(store, options);
  await collectEach(store, leftovers, (leftover, ...errors) => {
    if (errors.length === 0) collected.push(leftover);
    else failed.push({leftover, error: errors[0]});
  });
  await collectEach(store, [restInRoom(store)], (leftover, ...errors) => {
    if (errors.length > 0) failed.push({leftover, error: errors[0]});
  });
  return {collected, failed, left};
}

/** The driver's own, which nobody names. */
function restInRoom(store: Store): Leftover {
  return {
    kind: 'leftover',
    what: `${store.layout.volumes}: what interrupted calls left there`,
    fix: 'delete it',
    collect: () => store.driver.check({fix: true, claims: () => claimsOf(store, rootsOf(store))}),
  };
}

async function found(
  store: Store,
  {giveUp = [], ...options}: CollectOptions,
): Promise<{leftovers: Leftover[]; left: string[]}> {
  const {leftovers, left, roots} = await survey(store, options);
  const undecided = left.filter(({volume}) => !giveUp.includes(volume.id)).map(({what}) => what);
  // Also what is left because of what it names itself: a dead session whose record cannot be read.
  const unread = roots.unread.map(({what}) => `${what}: what it may name is left`);
  return {
    leftovers: [...leftovers, ...givenUp(store, left, giveUp)],
    left: left.length > 0 ? undecided : unread,
  };
}
