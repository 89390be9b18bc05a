/** What a command is shut into: everything that the sandbox needs to know, as data. */
import type {MountPlan} from '../system/mount-plan.ts';

export interface SandboxSpec {
  /** A name for this sandbox that is unique on the host: the session id. Names its control groups. */
  id: string;
  root: SandboxRoot;
  /** Program and arguments; a program without a slash is looked up along PATH of `env`, inside. Empty: a shell. */
  command: readonly string[];
  /** The whole environment of the command. HOME, USER, LOGNAME and SHELL are added from `user` where they lack. */
  env: Readonly<Record<string, string>>;
  /** Directory inside in which the command starts, absolute. */
  workdir: string;
  /** `USER[:GROUP]`, names of the root's own passwd and group or numbers. Default: root. */
  user?: string;
  /** Default: the host's. */
  hostname?: string;
  network: 'host' | 'none';
  /** The root itself cannot be written; volumes still can. */
  readOnly: boolean;
  volumes: readonly Volume[];
  devices: readonly Device[];
  tmpfs: readonly Tmpfs[];
  /** Bytes that /dev/shm may hold. Default: half of the memory. */
  shm?: number;
  ulimits: readonly Ulimit[];
  capabilities: {add: readonly string[]; drop: readonly string[]};
  /** All capabilities, the host's devices, /sys writable, no system call filter. */
  privileged: boolean;
  /** Set-uid programs and file capabilities of the root give what they say, within `capabilities`: no no_new_privs. */
  newPrivileges?: boolean;
  /** Device nodes in the root work, as far as they are of devices that every sandbox has. */
  deviceNodes?: boolean;
  limits: Limits;
  /** Places that already hold a file of the sandbox's own, made for an earlier command in the same root. */
  placed?: readonly string[];
  /**
   * Mount points of the host that the sandbox's namespace must not keep busy: it starts with copies of all mounts, and
   * where the host's are private, an unmount there does not reach it.
   */
  detach?: readonly string[];
  /** Tell what it took. */
  measured?: boolean;
  /** Seconds after which the command is told to end (SIGTERM), and ten seconds later killed. */
  timeout?: number;
}

/**
 * Either a plan, mounted at `mountPoint` in a mount namespace that dies with the command, or a directory of the
 * host where the root is mounted already.
 */
export type SandboxRoot = {plan: MountPlan; mountPoint: string} | {directory: string};

/** `-v SOURCE:TARGET[:ro]`: a file or directory of the host, seen inside at `target`. */
export interface Volume {
  source: string;
  target: string;
  readOnly: boolean;
}

/** `--device SOURCE:TARGET:ACCESS`: a device of the host, or all in a directory. */
export interface Device {
  source: string;
  target: string;
  /** Some of `r`, `w`, and `m` (mknod(2)). */
  access: string;
}

/** A file system of its own at `target`, empty, in memory. */
export interface Tmpfs {
  target: string;
  /** Bytes. */
  size?: number | undefined;
  mode: number;
  readOnly: boolean;
}

/** A limit of each process by itself (getrlimit(2)); -1 for none. */
export interface Ulimit {
  name: string;
  soft: number;
  hard: number;
}

export interface Limits {
  /** Bytes. */
  memory?: number;
  /** Processors; fractions allowed. */
  cpus?: number;
  /** Processes and threads. */
  pids?: number;
}

/**
 * What one of the command's standard streams is connected to; `inherit` passes ours through untouched, a number is an
 * open file descriptor of ours.
 */
export type SandboxStdio = 'inherit' | 'ignore' | number;

export interface SandboxResult {
  /** The command's own exit code, 128+N if signal N ended it; 127 no such command, 126 cannot be executed. */
  exitCode: number;
  /** The time limit ended it (its exit code is then 124, as timeout(1) has it). */
  timedOut: boolean;
  /** Processes that the kernel killed because of the memory limit. */
  outOfMemory?: number;
  /** What it took, where that was asked for. */
  usage?: Usage;
}

/** What a command and all that it started took. Null is what the kernel does not tell here. */
export interface Usage {
  /** Seconds. */
  wall: number;
  user: number | null;
  system: number | null;
  /** Bytes: of all processes together, and of the largest. */
  peakMemory: number | null;
  largestProcess: number | null;
  /** Bytes that it caused to be written to disks. */
  written: number | null;
}
