/** Podman with storage of its own. */
import {join} from 'node:path';
import {call} from '../processes.ts';
import type {Ground} from '../section.ts';
import {containerPeer} from './containers.ts';
import type {Peer} from './peer.ts';
import {cgroupPlaces, removeNewAtEnd} from './traces.ts';

export const podman: Peer = {
  name: 'podman',
  // crun, the other runtime, refuses where cgroups of both versions are mounted.
  packages: ['podman', 'runc'],
  makeReady: (ground: Ground) => {
    const {directory, runtime, atEnd} = ground;
    removeNewAtEnd(ground, ['/etc/cni/net.d/cni.lock', '/run/runc', ...cgroupPlaces('libpod_parent')]);
    const client = [
      ...['/usr/bin/podman', '--root', join(directory, 'podman'), '--runroot', join(runtime, 'podman')],
      ...['--tmpdir', join(runtime, 'libpod'), '--storage-driver', 'overlay'],
      ...['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
    ];
    atEnd(() => void call({words: [...client, 'rm', '--all', '--force', '--time', '0']}));
    return containerPeer({
      client,
      // Its own limits are above what some hosts allow.
      options: ['--network', 'host', '--ulimit', 'nofile=1024:4096', '--ulimit', 'nproc=1024:1024'],
      imagePrefix: 'localhost/',
      remove: ['rm', '--force', '--time', '0'],
    });
  },
};
