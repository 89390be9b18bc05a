/** Which kind of container this is, if it is one, and how such a one is started with more rights. */
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

export type Engine = 'docker' | 'podman' | 'Kubernetes' | 'systemd-nspawn';

/** What runs this container; undefined: nothing that we know, or it is no container. `root`: where its files are. */
export function engine(environment: NodeJS.ProcessEnv = process.env, root = '/'): Engine | undefined {
  const has = (path: string): boolean => existsSync(join(root, path));
  // First: what runs the containers of a pod may leave a mark of its own.
  if (
    environment['KUBERNETES_SERVICE_HOST'] !== undefined ||
    has('/var/run/secrets/kubernetes.io/serviceaccount')
  )
    return 'Kubernetes';
  if (has('/run/.containerenv')) return 'podman';
  if (has('/.dockerenv')) return 'docker';
  // "The Container Interface" of systemd, which podman and LXC keep too.
  const manager =
    environment['container'] ??
    readable(join(root, '/run/host/container-manager')) ??
    /(?:^|\0)container=([^\0]+)/.exec(readable(join(root, '/proc/1/environ')) ?? '')?.[1];
  return (['docker', 'podman', 'systemd-nspawn'] as const).find((known) => known === manager?.trim());
}

export interface Wanted {
  /** Names without CAP_. */
  capabilities: readonly string[];
  /** What the container is to do without. */
  seccomp: boolean;
  appArmor: boolean;
  selinux: boolean;
}

/** What to start a container with, in one line. */
export function startLine(engine: Engine | undefined, wanted: Wanted): string {
  const {capabilities} = wanted;
  switch (engine) {
    case 'docker':
    case 'podman':
      return `start it with: ${engine} run ${flags(wanted)} …`;
    case 'Kubernetes':
      return `give the container in its pod: ${securityContext(wanted)}`;
    case 'systemd-nspawn':
      return `start it with: systemd-nspawn --capability=${capabilities.map((name) => `CAP_${name}`).join(',')} …`;
    case undefined:
      return `a container is started with: docker run ${flags(wanted)} … (podman alike), or in Kubernetes with ${securityContext(wanted)}`;
  }
}

function flags({capabilities, seccomp, appArmor, selinux}: Wanted): string {
  return [
    ...capabilities.map((name) => `--cap-add ${name}`),
    ...(seccomp ? ['--security-opt seccomp=unconfined'] : []),
    ...(appArmor ? ['--security-opt apparmor=unconfined'] : []),
    ...(selinux ? ['--security-opt label=disable'] : []),
  ].join(' ');
}

function securityContext({capabilities, seccomp, appArmor}: Wanted): string {
  const fields = [
    `capabilities: {add: [${capabilities.join(', ')}]}`,
    ...(seccomp ? ['seccompProfile: {type: Unconfined}'] : []),
    ...(appArmor ? ['appArmorProfile: {type: Unconfined}'] : []),
  ];
  return `securityContext: {${fields.join(', ')}}`;
}

/** The text of a file that tells about our surroundings; undefined where it is missing, or not for us to read. */
export function readable(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
