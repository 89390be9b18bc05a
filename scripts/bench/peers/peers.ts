import type {Ground} from '../section.ts';
import {bubblewrap} from './bubblewrap.ts';
import {docker} from './docker.ts';
import {nspawn} from './nspawn.ts';
import {installPackages} from './packages.ts';
import type {Peer, ReadyPeer} from './peer.ts';
import {podman} from './podman.ts';
import {schroot} from './schroot.ts';

/** All that a command can be run with. */
export const PEERS: readonly Peer[] = [schroot, docker, podman, nspawn];

export interface Ready {
  /** By name, in the order in which they were asked for. */
  peers: ReadonlyMap<string, ReadyPeer>;
  /** Why the others are not there. */
  failures: ReadonlyMap<string, string>;
}

/** Installs and starts them, each with the root of `tars` by name. One that cannot be had does not keep the others. */
export function readyPeers(
  ground: Ground,
  wanted: readonly Peer[],
  tars: Readonly<Record<string, string>>,
): Ready {
  const peers = new Map<string, ReadyPeer>();
  const failures = new Map<string, string>();
  for (const {name, packages, makeReady} of wanted) {
    try {
      installPackages(packages);
      const peer = makeReady(ground);
      for (const [root, tar] of Object.entries(tars)) peer.addRoot(root, tar);
      peers.set(name, peer);
    } catch (error) {
      failures.set(name, error instanceof Error ? error.message : String(error));
    }
  }
  return {peers, failures};
}

export {bubblewrap, docker, nspawn, podman, schroot};
