/**
 * The programs that lead to the command, each ending in an exec of the next:
 *
 *     setpriv        dies when chrootctl dies, kill -9 included (PR_SET_PDEATHSIG, prctl(2))
 *     unshare        a private mount namespace; a process id namespace for the children
 *     sh             waits, and lives through what a terminal sends to the whole group
 *      └ sh          process 1 of the outer namespace: joins the control groups, mounts the root
 *        bwrap       makes the sandbox, reports how the command ended (--json-status-fd), then ends everything
 *         └ bwrap    process 1 of the inner namespace, inside the root: reaps
 *            └ sh    from the host's toolbox: takes the command's own standard error, closes the rest
 *              setpriv, chroot, env    as needed: capabilities, user, awkward variables
 *              the command
 *
 * Two process id namespaces, for two reasons. The outer one makes bubblewrap's watching process a process 1, which
 * no terminal signal ends, and with which the kernel ends all others before the outer shell sees it go: when the
 * chain has ended, nothing of it runs, and no mount of it is left. The inner one keeps that process, which still
 * sees the host's files, out of the command's sight: through /proc/1/root or ptrace(2) it would be the way out.
 * (Without one of its own bwrap also binds the /proc of the host.)
 */
import {mountFunction, type MountPlan} from '../system/mount-plan.ts';

/** Numbers of the descriptors that the chain is started with, beside stdin (0) and stdout (1). */
export const DESCRIPTORS = {
  /** What goes wrong before the command runs is told here, so that it is not mixed up with what the command says. */
  setup: 2,
  status: 3,
  filter: 4,
  /** The command's standard error. */
  stderr: 5,
} as const;

/** Said on the set-up descriptor when the command is about to run. */
export const STARTED = 'chrootctl: started';

/** The answer to it that the innermost shell waits for, on the same descriptor (a socket). */
export const PROCEED = 'proceed\n';

export interface Outer {
  /** Our process. */
  parent: number;
  /** Directories of control groups to join. */
  groups: readonly string[];
  /** Mount points to let go of; see SandboxSpec. */
  detach: readonly string[];
  mount: {plan: MountPlan; mountPoint: string} | undefined;
  /** Also give a network namespace from the start, with a /sys that shows no other. */
  ownNetwork: boolean;
  bwrap: readonly string[];
}

/** The words to start, up to and including bwrap's. */
export function outerCommand({parent, groups, detach, mount, ownNetwork, bwrap}: Outer): string[] {
  const words: string[] = [];
  const quoted = (word: string | number): string => {
    words.push(String(word));
    return `"\${${words.length}}"`;
  };
  const script = [
    // Had our process died before setpriv asked for the signal, nobody would send it.
    `[ "$PPID" = ${quoted(parent)} ] || exit 1`,
    'trap : HUP INT QUIT PIPE ALRM TERM USR1 USR2',
    '(',
    ...groups.map((group) => `echo 0 >${quoted(`${group}/cgroup.procs`)} || exit 1`),
    ...(detach.length === 0 ? [] : [detachLine(detach.map(quoted).join(' '))]),
    ...(ownNetwork ? ['mount -t sysfs -o ro,nosuid,nodev,noexec sysfs /sys || exit 1'] : []),
    ...(mount === undefined ? [] : mountLines(mount, quoted)),
    OWN_PROC,
    `shift ${words.length}`,
    'exec bwrap "$@"',
    ')',
    'exit $?',
  ].join('\n');
  return [
    ...['setpriv', '--clear-groups', '--pdeathsig', 'KILL'],
    // Slave: what the host unmounts goes here too, instead of being kept busy; nothing goes the other way.
    ...['unshare', '--mount', '--pid', ...(ownNetwork ? ['--net'] : []), '--propagation', 'slave'],
    ...['sh', '-c', script, 'chrootctl', ...words, ...bwrap],
  ];
}

/**
 * bwrap looks its child up in /proc, by the number that it has in the outer namespace, while /proc is still the host's. It
 * only wants to find something there: on a host those first numbers are kernel threads, which never end. Where process 2
 * is no kernel thread (in a container), or a mount that was tried again and again has used up the first numbers, it gets
 * the namespace's own /proc.
 */
const OWN_PROC = [
  'chrootctl_second=',
  '[ ! -e /proc/2/comm ] || read -r chrootctl_second </proc/2/comm',
  '[ "${tries:-0}:$chrootctl_second" = 0:kthreadd ] || mount -t proc -o nosuid,nodev,noexec proc /proc || exit 1',
].join('\n');

/** Numbers of umount2(2), by Node's names of architectures. */
const UMOUNT2: Partial<Record<string, number>> = {x64: 166, arm64: 39};
const MNT_DETACH = 2;

/**
 * Lets go of mount points. umount(8) reads the whole table of mounts again for each, which takes seconds where there
 * are a thousand; perl, which Debian is never without, can call the kernel. One that was unmounted before our namespace
 * was made has no copy here: that is what is wanted.
 */
function detachLine(mountPoints: string): string {
  const umount = `umount -l -- ${mountPoints} 2>/dev/null || :`;
  const number = UMOUNT2[process.arch];
  return number === undefined
    ? umount
    : `perl -e 'syscall(${number}, $_, ${MNT_DETACH}) for @ARGV' -- ${mountPoints} 2>/dev/null || ${umount}`;
}

function mountLines(
  {plan, mountPoint}: NonNullable<Outer['mount']>,
  quoted: (word: string) => string,
): string[] {
  const options = plan.options.length === 0 ? '' : ` -o ${quoted(plan.options.join(','))}`;
  return [
    mountFunction(plan),
    `cd ${quoted(plan.workingDirectory)} || exit 1`,
    `mount_plan -t ${quoted(plan.type)}${options} -- ${quoted(plan.source)} ${quoted(mountPoint)} || exit 1`,
  ];
}

/**
 * The innermost shell's script. It goes on only when our process has answered, which that does after it has heard
 * from bwrap (`child-pid`), which says so after it has asked to die with its parent. So the answer proves that the
 * whole chain was alive with every link of it made: had we been killed earlier, there is no answer and the socket
 * closes; later, each link ends the next. (Whether the socket is open proves nothing: the other threads of a killed
 * Node keep it so for a while after its children have been told of its death.)
 */
export const INNER_SCRIPT = [
  `echo '${STARTED}' >&${DESCRIPTORS.setup} && read -r chrootctl_answer <&${DESCRIPTORS.setup} || exit 1`,
  `exec 2>&${DESCRIPTORS.stderr} ${DESCRIPTORS.status}>&- ${DESCRIPTORS.filter}>&- ${DESCRIPTORS.stderr}>&-`,
  'umask 022',
  'unset PWD OLDPWD SHLVL chrootctl_answer',
  'exec "$@"',
].join('\n');
