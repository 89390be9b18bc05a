import type {Case, Command} from './case.ts';
import {readyChrootctl} from './peers/chrootctl.ts';
import type {Sessions} from './peers/peer.ts';
import {docker, podman, readyPeers, schroot} from './peers/peers.ts';
import {call} from './processes.ts';
import type {Comparison, Section, SectionMaker} from './section.ts';

const STEPS = ['begin', 'exec', 'end'] as const;

/** Clones that are kept: each step of their life. */
export const sessions: SectionMaker = (ground): Section => {
  const ours = readyChrootctl(ground);
  ours.addRoot('debian', ground.rootTar);
  const {peers, failures} = readyPeers(ground, [schroot, docker, podman], {debian: ground.rootTar});
  const cases = [...stepsOf('chrootctl', ours.sessions)];
  const failed = new Map(failures);
  for (const [name, peer] of peers) {
    if (peer.sessions === undefined) continue;
    try {
      cases.push(
        ...stepsOf(name, peer.sessions).map((one) => ({...one, hasCpu: peer.hasCpu, mayFail: true})),
      );
    } catch (error) {
      failed.set(name, error instanceof Error ? error.message : String(error));
    }
  }
  const named = (step: string): string => `chrootctl: ${step}`;
  const comparisons = ['schroot', 'docker', 'podman'].flatMap((name): Comparison[] => [
    ...STEPS.map((step) => ({of: named(step), to: `${name}: ${step}`, name: `${step}: chrootctl : ${name}`})),
    {
      of: STEPS.map(named),
      to: STEPS.map((step) => `${name}: ${step}`),
      name: `all three: chrootctl : ${name}`,
    },
  ]);
  return {
    title: 'Beside others: sessions',
    about:
      'A session of the same Debian root is begun, runs `true`, and is ended. For docker and podman it is a container in ' +
      'which `sleep` runs, which is removed by force; systemd-nspawn has none.',
    rounds: 11,
    isSettled: true,
    cases,
    comparisons,
    failures: failed,
  };
};

function stepsOf(name: string, {begin, exec, end}: Sessions): Case[] {
  // One that lasts, for exec; the others' turns come in any order.
  call(begin('debian', 'lasting'));
  const beginNow = (session: string): void => void call(begin('debian', session));
  const commands: Record<(typeof STEPS)[number], Omit<Case, 'name'>> = {
    begin: {
      command: (round): Command => begin('debian', `begun-${round}`),
      cleanUp: (round) => void call(end(`begun-${round}`)),
    },
    exec: {command: () => exec('lasting', 'true')},
    end: {
      prepare: (round) => beginNow(`ending-${round}`),
      command: (round) => end(`ending-${round}`),
    },
  };
  return STEPS.map((step) => ({name: `${name}: ${step}`, ...commands[step]}));
}
