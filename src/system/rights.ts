/**
 * What root may not do here, and what to do about it: in a container root has the rights that it was started with. Looked
 * at when something has been refused, or when somebody asks.
 */
import {engine, readable, startLine, type Engine} from './container.ts';

/** The bits of those capabilities (capabilities(7)) without which something of ours fails, or goes wrong in silence. */
const NEEDED = {
  /** Mounts and namespaces. */
  SYS_ADMIN: 21,
  /** The loopback of --network none. */
  NET_ADMIN: 12,
  /** That the command has no more than it should. */
  SETPCAP: 8,
  /** The command's user, and signals for it. */
  SETUID: 7,
  SETGID: 6,
  SYS_CHROOT: 18,
  KILL: 5,
  /** Owners, modes, attributes and devices in trees that are copied and unpacked. */
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  FOWNER: 3,
  FSETID: 4,
  SETFCAP: 31,
  MKNOD: 27,
} as const;

export type Right = keyof typeof NEEDED;

/** What no kind of container gives unless it is told to. */
const SELDOM_GIVEN: readonly Right[] = ['SYS_ADMIN', 'NET_ADMIN'];

/** What we lack, or what is started by us. */
export function missingRights(): Right[] {
  return missingIn(readable('/proc/self/status') ?? '');
}

/** @param status as of proc_pid_status(5) */
export function missingIn(status: string): Right[] {
  const held = lowHalf(status, 'CapEff') & lowHalf(status, 'CapBnd');
  return (Object.keys(NEEDED) as Right[]).filter((name) => (held & (1 << NEEDED[name])) === 0);
}

/** The lower 32 bits of a mask of 64, in which all that we need are. Every run looks: no pattern, no large numbers. */
function lowHalf(status: string, name: string): number {
  const at = status.indexOf(`${name}:\t`);
  // What cannot be told is not missing.
  return at === -1 ? -1 : parseInt(status.slice(at + name.length + 10, at + name.length + 18), 16) | 0;
}

export interface Lack {
  /** What is missing, as a sentence without its end. */
  what: string;
  /** The way to have it. */
  remedy: string;
}

export const NO_PROC: Lack = {what: '/proc is not mounted', remedy: 'mount -t proc proc /proc'};

export function hasProc(): boolean {
  return readable('/proc/self/status') !== undefined;
}

const AS_ROOT = 'run as root (sudo)';

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** What keeps us from doing what root is used to do; undefined: nothing that can be told. */
export function lack(): Lack | undefined {
  if (!isRoot()) return {what: 'only root may do that', remedy: AS_ROOT};
  if (!hasProc()) return NO_PROC;
  const missing = missingRights();
  const short = shortage(missing);
  if (missing.includes('SYS_ADMIN')) return short;
  // With that one, whatever else there is may be to blame.
  const {seccomp, appArmor, selinux} = wallsAround();
  const suspects = [
    ...(seccomp ? ['has a system call filter (seccomp)'] : []),
    ...(appArmor === undefined ? [] : [`has the AppArmor profile ${appArmor}`]),
    ...(selinux === undefined ? [] : [`has the SELinux type ${selinux}`]),
    ...(inUserNamespace() ? ['is in a user namespace'] : []),
  ].join(', ');
  if (suspects === '') return short;
  if (short !== undefined) return {...short, what: `${short.what}, ${suspects}`};
  // Whoever is root of a user namespace holds all capabilities, and they do not reach far.
  return {what: `${place()} ${suspects}`, remedy: `${remedyFor([])}${inUserNamespace() ? OUTSIDE : ''}`};
}

const OUTSIDE = ', as root of the machine itself and outside of any user namespace';

/** What is said of capabilities that are missing; undefined when none is. */
export function shortage(missing: readonly Right[]): Lack | undefined {
  if (missing.length === 0) return undefined;
  const names = missing.map((name) => `CAP_${name}`).join(', ');
  return {what: `${place()} lacks ${names}`, remedy: remedyFor(missing)};
}

function place(): string {
  const kind = engine();
  return kind === undefined ? 'this process' : `this ${kind} container`;
}

/** What to do for capabilities that are missing (names without CAP_), and those that all of it needs. */
export function remedyFor(missing: readonly string[]): string {
  const kind = engine();
  const walls = wallsAround();
  return startLine(kind, {
    capabilities: [...new Set([...SELDOM_GIVEN, ...missing])],
    seccomp: mustGo(kind, walls, missing),
    appArmor: walls.appArmor !== undefined,
    selinux: walls.selinux !== undefined,
  });
}

export interface Walls {
  seccomp: boolean;
  appArmor: string | undefined;
  selinux: string | undefined;
}

/** What else than capabilities can keep root from something. */
function wallsAround(): Walls {
  return wallsIn(readable('/proc/self/status') ?? '', readable('/proc/self/attr/current') ?? '');
}

/** @param security what the security module in charge says of a process (proc_pid_attr(5)) */
export function wallsIn(status: string, security: string): Walls {
  const label = security.replace(/[\0\n]+$/, '');
  return {
    seccomp: /^Seccomp:\s*2$/m.test(status),
    // "docker-default (enforce)"; "unconfined" is no profile.
    appArmor: /^(\S.*) \(enforce\)$/.exec(label)?.[1],
    // "system_u:system_r:container_t:s0:c1,c2"
    selinux: /^[^:]+:[^:]+:(container[^:]*_t|svirt[^:]*_t)(?::|$)/.exec(label)?.[1],
  };
}

/**
 * docker's own filter refuses pivot_root(2) to everybody, whatever the capabilities; that of podman allows it. Others are
 * to blame when nothing is missing.
 */
function mustGo(kind: Engine | undefined, {seccomp}: Walls, missing: readonly string[]): boolean {
  if (kind === 'docker' || kind === undefined) return true;
  return seccomp && (kind === 'Kubernetes' || missing.length === 0);
}

/** What to do about a file that we may not read, write or make, as a hint. */
export function moreRights(): string {
  if (!isRoot()) return AS_ROOT;
  const short = shortage(missingRights());
  if (short !== undefined) return `${short.what}: ${short.remedy}`;
  return inUserNamespace() ? `${place()} is in a user namespace: ${remedyFor([])}${OUTSIDE}` : KEPT_OTHERWISE;
}

const KEPT_OTHERWISE =
  'root is kept from it by something else: an immutable file (lsattr), a network file system, a security module (dmesg)';

/** Whether root here is somebody else outside (user_namespaces(7)). */
export function inUserNamespace(): boolean {
  const map = readable('/proc/self/uid_map');
  return map !== undefined && !/^\s*0\s+0\s+4294967295\s*$/.test(map);
}
