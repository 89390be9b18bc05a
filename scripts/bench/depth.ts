import {execFileSync} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {busyboxRoot} from '../../test/cli/chrootctl.ts';
import {chrootctl} from './programs.ts';
import {A_THIRD, type Section, type SectionMaker} from './section.ts';
import {addVersion, openStore} from '../../test/cli/stores.ts';

const DEPTHS = [1, 50, 300] as const;

/** Does it matter how many commits came before? */
export const depth: SectionMaker = async ({directory}): Promise<Section> => {
  const root = join(directory, 'store');
  const store = await openStore(root);
  const busybox = busyboxRoot();
  let last = await addVersion(store, 'deep', (layer) => execFileSync('cp', ['-a', `${busybox}/.`, layer]), {
    tag: 'depth-1',
  });
  for (let commits = 2; commits <= DEPTHS[2]; commits++) {
    last = await addVersion(
      store,
      'deep',
      (layer) => writeFileSync(join(layer, `commit-${commits}`), `${commits}\n`),
      {parent: last.version, tag: `depth-${commits}`},
    );
  }
  return {
    title: 'Depth of history',
    about: 'A run in a version that came after so many commits, each of which added a file.',
    rounds: 15,
    cases: DEPTHS.map((commits) => ({
      name: named(commits),
      command: () => chrootctl(root, 'run', `deep:depth-${commits}`, '--', 'true'),
    })),
    comparisons: DEPTHS.slice(1).map((commits) => ({of: named(commits), to: named(1), most: A_THIRD})),
  };
};

function named(commits: number): string {
  return `run, depth ${commits}`;
}
