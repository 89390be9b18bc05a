/** A dockerd of our own, beside which another may run. */
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {call, startDaemon} from '../processes.ts';
import type {Ground} from '../section.ts';
import {containerPeer} from './containers.ts';
import type {Peer} from './peer.ts';
import {cgroupPlaces, removeNewAtEnd} from './traces.ts';

const TRACES = ['/etc/docker/key.json', '/run/docker', '/run/containerd'];

export const docker: Peer = {
  name: 'docker',
  packages: ['docker.io'],
  makeReady: (ground: Ground) => {
    const {directory, runtime, atEnd} = ground;
    removeNewAtEnd(ground, TRACES);
    removeNewAtEnd(ground, cgroupPlaces('docker'));
    const socket = join(runtime, 'docker.sock');
    const client = ['/usr/bin/docker', '-H', `unix://${socket}`];
    const daemon = startDaemon(
      [
        ...['/usr/sbin/dockerd', '-H', `unix://${socket}`, '-p', join(runtime, 'docker.pid')],
        ...['--data-root', join(directory, 'docker'), '--exec-root', join(runtime, 'docker')],
        ...['--storage-driver', 'overlay2', '--containerd-namespace', 'chrootctl-bench'],
        // The host's network is used, and left as it is.
        ...['--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false'],
      ],
      join(runtime, 'dockerd.log'),
      () => existsSync(socket) && isAnswering(client),
    );
    atEnd(daemon.stop);
    return containerPeer({client, options: ['--network', 'host'], imagePrefix: '', remove: ['rm', '-f']});
  },
};

function isAnswering(client: readonly string[]): boolean {
  try {
    call({words: [...client, 'version']});
    return true;
  } catch {
    return false;
  }
}
