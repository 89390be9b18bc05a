/** Comparing the records with the driver and the mounts. */
import {ChrootctlError, messageOf} from '../errors.ts';
import type {VolumeProblem} from '../storage/driver.ts';
import {Store, type StoreOptions} from '../store/store.ts';
import {damage, type Damage} from './damage.ts';
import {collectEach} from './each.ts';
import {hindrances} from './fitness.ts';
import type {Leftover} from './litter.ts';
import {brokenDirectories} from './lost.ts';
import {survey} from './survey.ts';

export interface Problem {
  kind: string;
  what: string;
  fix: string;
}

export interface Diagnosis {
  ok: boolean;
  /** Those that are still there. */
  problems: Problem[];
  /** Those that were mended, with `fix`. */
  fixed: Problem[];
}

/** The same for a store that may not be there yet; where none could be used, none is made, and that is the problem. */
export async function diagnoseAt(
  options: StoreOptions,
  {fix = false}: {fix?: boolean} = {},
): Promise<Diagnosis> {
  let store: Store;
  try {
    store = await Store.open(options);
  } catch (error) {
    if (!isRefusalToRoot(error)) throw error;
    const problem = {kind: 'permission', what: error.message, fix: error.hint ?? ''};
    return {ok: false, problems: [problem], fixed: []};
  }
  return diagnose(store, {fix});
}

function isRefusalToRoot(error: unknown): error is ChrootctlError {
  return process.geteuid?.() === 0 && error instanceof ChrootctlError && error.code === 'NOT_PERMITTED';
}

/** With `fix`, mends what can be mended without losing anything that a tag names. */
export async function diagnose(store: Store, {fix = false}: {fix?: boolean} = {}): Promise<Diagnosis> {
  if (process.geteuid?.() !== 0 && store.driver.permissions !== undefined) {
    // The store's private rooms are root's to look into; what can be told is what it would take.
    const lacking = await store.driver.permissions();
    return {ok: lacking.length === 0, problems: lacking.map(withFix), fixed: []};
  }
  const unfit = process.geteuid?.() === 0 ? await hindrances(store) : [];
  const fixed: Problem[] = [];
  // Nothing can be looked for beyond them.
  let problems = await mend(store, brokenDirectories(store), {fix, fixed});
  if (problems.length > 0) return {ok: false, problems: [...unfit, ...problems], fixed};
  // What is mended may let more be mended, or show more.
  for (let pass = 0, mended = 1; mended > 0 && pass < (fix ? PASSES : 1); pass++) {
    const found = await survey(store);
    const before = fixed.length;
    problems = await mend(store, [...found.leftovers, ...(await damage(store, found))], {fix, fixed});
    mended = problems.length === 0 ? 0 : fixed.length - before;
  }
  problems.unshift(...unfit);
  return {ok: problems.length === 0, problems, fixed};
}

/** Records that are lost one upon the other: a volume's, its version's, the tags. */
const PASSES = 4;

/** With `fix`, mends each that can be mended, and adds it to `fixed`. The rest is given. */
async function mend(
  store: Store,
  found: readonly (Leftover | Damage)[],
  {fix, fixed}: {fix: boolean; fixed: Problem[]},
): Promise<Problem[]> {
  const problems: Problem[] = [];
  const isMendable = (one: Damage): one is Leftover => fix && one.collect !== undefined;
  await collectEach(store, found.filter(isMendable), ({kind, what, fix: remedy}, ...errors) => {
    if (errors.length === 0) {
      fixed.push({kind, what, fix: remedy});
      return;
    }
    const [error] = errors;
    const hint = error instanceof ChrootctlError && error.hint !== undefined ? error.hint : remedy;
    problems.push({kind, what: `${what}; mending it failed: ${messageOf(error)}`, fix: hint});
  });
  const left = found
    .filter((one) => !isMendable(one))
    .map(({kind, what, fix: remedy}) => ({kind, what, fix: remedy}));
  return [...problems, ...left];
}

function withFix({kind, what, fix}: VolumeProblem): Problem {
  return {kind, what, fix: fix ?? 'run as root (sudo)'};
}
