/** docker and podman, which have nearly the whole command line in common, each with storage of its own. */
import {existsSync, mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {call, startDaemon} from '../harness/processes.ts';
import type {Command, Ground} from '../harness/section.ts';
import type {ImageKeeper, Peer} from './peer.ts';

export const docker = dockerWith('runc');
/** With the runtime that is written in C. */
export const dockerWithCrun = dockerWith('crun');

/** A dockerd of our own, beside which another may run. */
function dockerWith(program: 'runc' | 'crun'): Peer<ImageKeeper> {
  return {
    name: program === 'runc' ? 'docker' : `docker with ${program}`,
    packages: ['docker.io', ...(program === 'runc' ? [] : [program])],
    makeReady: (ground) => dockerReady(ground, program),
  };
}

function dockerReady(ground: Ground, program: string): ImageKeeper {
  const {directory, runtime} = inPlaceOf(ground, program);
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
  const runtimes = program === 'runc' ? [] : ['--add-runtime', `${program}=/usr/bin/${program}`];
  startDaemon(ground, [...daemon, ...runtimes], join(runtime, 'dockerd.log'), {
    words: [...client, 'version'],
  });
  return imageKeeper(ground, client, runtimes.length === 0 ? [] : ['--runtime', program]);
}

/** Places of its own for each of several daemons. */
function inPlaceOf({directory, runtime}: Ground, name: string): {directory: string; runtime: string} {
  const places = {directory: join(directory, name), runtime: join(runtime, name)};
  for (const path of Object.values(places)) mkdirSync(path, {recursive: true});
  return places;
}

export const podman = podmanWith('runc');
/** It refuses where cgroups of both versions are mounted. */
export const podmanWithCrun = podmanWith('crun');

function podmanWith(program: 'runc' | 'crun'): Peer<ImageKeeper> {
  return {
    name: program === 'runc' ? 'podman' : `podman with ${program}`,
    packages: ['podman', program],
    makeReady: (ground) => podmanReady(ground, program),
  };
}

function podmanReady(ground: Ground, program: string): ImageKeeper {
  const {atEnd} = ground;
  const {directory, runtime} = inPlaceOf(ground, `podman-${program}`);
  removeNewAtEnd(ground, ['/etc/cni/net.d/cni.lock', '/run/runc', ...cgroupPlaces('libpod_parent')]);
  const client = [
    ...['/usr/bin/podman', '--root', join(directory, 'podman'), '--runroot', join(runtime, 'podman')],
    ...['--tmpdir', join(runtime, 'libpod'), '--storage-driver', 'overlay'],
    ...['--runtime', program, '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
  ];
  atEnd(() => void call({words: [...client, 'rm', '--force', '--all']}));
  // Its own limits are above what some hosts allow.
  const options = ['--ulimit', 'nofile=1024:4096', '--ulimit', 'nproc=1024:1024'];
  return imageKeeper(ground, client, options);
}

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
