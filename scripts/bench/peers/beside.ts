import {join} from 'node:path';
import {call, messageOf} from '../harness/processes.ts';
import {chrootctlOn} from '../harness/programs.ts';
import type {Case, Cases, Command, Comparison, Ground, Limit, Section} from '../harness/section.ts';
import {installPackages} from './packages.ts';
import type {ImageKeeper, Peer, Runner} from './peer.ts';

/**
 * Installs and starts the peers, makes the same cases of each of them and of chrootctl, and compares these. `promised`
 * has limits by the name of a peer's case. A peer that cannot be had does not keep the others.
 */
export function beside<Can extends Runner>(
  ground: Ground,
  peers: readonly Peer<Can>[],
  casesOf: (peer: Can | ImageKeeper) => Cases,
  promised: Readonly<Record<string, Limit>> = {},
): Required<Pick<Section, 'cases' | 'comparisons' | 'failures'>> {
  const ours = casesOf(readyChrootctl(ground));
  const cases: Case[] = [];
  const comparisons: Comparison[] = [];
  const failures = new Map<string, string>();
  // A peer's name alone where there is one case of each.
  const caseName = (peer: string, what: string): string => (what === '' ? peer : `${peer}: ${what}`);
  const add = (name: string, made: Cases, mayFail: boolean): void => {
    for (const [what, one] of Object.entries(made)) cases.push({...one, name: caseName(name, what), mayFail});
  };
  add('chrootctl', ours, false);
  for (const {name, packages, makeReady} of peers) {
    try {
      installPackages(packages);
      add(name, casesOf(makeReady(ground)), true);
    } catch (error) {
      failures.set(name, messageOf(error));
    }
    for (const what of Object.keys(ours)) {
      const [of, to] = [caseName('chrootctl', what), caseName(name, what)];
      comparisons.push({of: [of], to: [to], name: `${of} : ${name}`, most: promised[to]});
    }
  }
  return {cases, comparisons, failures};
}

/** The one that it is all about, as its peers are seen. */
function readyChrootctl({directory, rootTar}: Ground): ImageKeeper {
  const chrootctl = (...args: string[]): Command => chrootctlOn(join(directory, 'chrootctl'), ...args);
  call(chrootctl('import', rootTar, 'debian:first'));
  return {
    run: (...words) => chrootctl('run', 'debian:first', '--', ...words),
    begin: (session) => chrootctl('session', 'begin', 'debian:first', '--name', session),
    exec: (session, ...words) => chrootctl('exec', session, '--', ...words),
    end: (session) => chrootctl('session', 'end', session),
    // Wherever latest is by now: the depth of the history is another section's.
    commit: (session) => chrootctl('commit', session, '--force'),
  };
}
