/** docker and podman, which have nearly the whole command line in common, each with storage of its own. */
import {existsSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {call, startDaemon} from '../harness/processes.ts';
import type {Command, Ground} from '../harness/section.ts';
import type {ImageKeeper, Peer} from './peer.ts';

/** A dockerd of our own, beside which another may run. */
export const docker: Peer<ImageKeeper> = {
  name: 'docker',
  packages: ['docker.io'],
  makeReady: (ground) => {
    const {directory, runtime} = ground;
    removeNewAtEnd(ground, ['/etc/docker/key.json', '/run/docker', '/run/containerd']);
    removeNewAtEnd(ground, cgroupPlaces('docker'));
    const host = ['-H', `unix://${join(runtime, 'docker.sock')}`];
    const client = ['/usr/bin/docker', ...host];
    const daemon = [
      ...['/usr/sbin/dockerd', ...host, '-p', join(runtime, 'docker.pid')],
      ...['--data-root', join(directory, 'docker'), '--exec-root', join(runtime, 'docker')],
      ...['--storage-driver', 'overlay2', '--containerd-namespace', 'chrootctl-bench'],
      // The host's network is used, and left as it is.
      ...['--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false'],
    ];
    startDaemon(ground, daemon, join(runtime, 'dockerd.log'), {words: [...client, 'version']});
    return imageKeeper(ground, client);
  },
};

export const podman: Peer<ImageKeeper> = {
  name: 'podman',
  // crun, the other runtime, refuses where cgroups of both versions are mounted.
  packages: ['podman', 'runc'],
  makeReady: (ground) => {
    const {directory, runtime, atEnd} = ground;
    removeNewAtEnd(ground, ['/etc/cni/net.d/cni.lock', '/run/runc', ...cgroupPlaces('libpod_parent')]);
    const client = [
      ...['/usr/bin/podman', '--root', join(directory, 'podman'), '--runroot', join(runtime, 'podman')],
      ...['--tmpdir', join(runtime, 'libpod'), '--storage-driver', 'overlay'],
      ...['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
    ];
    atEnd(() => void call({words: [...client, 'rm', '--force', '--all']}));
    // Its own limits are above what some hosts allow.
    const options = ['--ulimit', 'nofile=1024:4096', '--ulimit', 'nproc=1024:1024'];
    return imageKeeper(ground, client, options);
  },
};

/** `client` is the program with what every call needs, `options` are what every container needs. */
function imageKeeper(
  {directory, rootTar}: Ground,
  client: readonly string[],
  options: readonly string[] = [],
): ImageKeeper {
  const command = (...words: readonly string[]): Command => ({
    words: [...client, ...words],
    // What an import leaves there that is interrupted goes with the file system.
    env: {TMPDIR: directory},
  });
  // Removed by force, it is ended at once.
  const common = ['--network', 'host', '--stop-timeout', '0', ...options];
  const tagged = (image: string): string => `localhost/${image}:bench`;
  const debian = tagged('debian');
  call(command('import', rootTar, debian));
  return {
    run: (...words) => command('run', '--rm', ...common, debian, ...words),
    begin: (session) => command('run', '-d', '--name', session, ...common, debian, 'sleep', 'infinity'),
    exec: (session, ...words) => command('exec', session, ...words),
    end: (session) => command('rm', '--force', session),
    commit: (session, image) => command('commit', session, tagged(image)),
  };
}

/** Those of `paths` that are not there yet go at the end: files, and directories in which nothing is but directories. */
function removeNewAtEnd({atEnd}: Ground, paths: readonly string[]): void {
  const remove = (path: string): void => {
    const found = ['(', '-type', 'd', '-o', '-path', path, ')'];
    if (existsSync(path)) call({words: ['find', path, ...found, '-delete']});
  };
  for (const path of paths) if (!existsSync(path)) atEnd(() => remove(path));
}

/** Where a cgroup `name` may come to be, in each hierarchy that is mounted. */
function cgroupPlaces(name: string): string[] {
  const top = '/sys/fs/cgroup';
  return ['', ...readdirSync(top)].map((hierarchy) => join(top, hierarchy, name));
}
