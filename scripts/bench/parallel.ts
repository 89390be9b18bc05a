import type {Command} from './case.ts';
import {readyChrootctl} from './peers/chrootctl.ts';
import {PEERS, readyPeers} from './peers/peers.ts';
import type {Section, SectionMaker} from './section.ts';

const AT_ONCE = 16;

/** Many runs that begin together: a build host with work to do. */
export const parallel: SectionMaker = (ground): Section => {
  const ours = readyChrootctl(ground);
  ours.addRoot('debian', ground.rootTar);
  const {peers, failures} = readyPeers(ground, PEERS, {debian: ground.rootTar});
  return {
    title: `Beside others: ${AT_ONCE} runs at once`,
    about: `\`true\` in ${AT_ONCE} throw-away clones of the same Debian root, begun together, until the last has ended.`,
    rounds: 11,
    isSettled: true,
    runs: AT_ONCE,
    plot: `${AT_ONCE} runs at once, runs per second (more is better)`,
    cases: [
      {name: 'chrootctl', command: () => together(ours.run('debian', 'true'))},
      ...[...peers].map(([name, {run, hasCpu}]) => ({
        name,
        command: () => together(run('debian', 'true')),
        hasCpu,
        mayFail: true,
      })),
    ],
    comparisons: [
      // At least 2.5 times as many a second.
      {of: 'chrootctl', to: 'docker', most: {ratio: 1 / 2.5}},
      {of: 'chrootctl', to: 'podman'},
      {of: 'chrootctl', to: 'schroot'},
      {of: 'chrootctl', to: 'systemd-nspawn'},
    ],
    failures,
  };
};

/** Fails when one of them does. */
function together({words, env = {}}: Command): Command {
  const script = `
    all=
    for one in $(seq ${AT_ONCE}); do "$@" & all="$all $!"; done
    for one in $all; do wait "$one" || exit; done`;
  return {words: ['sh', '-c', script, 'sh', ...words], env};
}
