/**
 * The programs that lead to the command, each ending in an exec of the next:
 *
 *     supervisor     dies when chrootctl dies, kill -9 included (PR_SET_PDEATHSIG, prctl(2)), or is what that has become
 *                    (succession.ts); waits (outer.ts)
 *      └ supervisor  process 1 of a process id namespace, in a mount namespace of its own: joins the control groups, mounts
 *                    the root
 *        bwrap       makes the sandbox, reports how the command ended (--json-status-fd), then ends everything
 *         └ bwrap    process 1 of the inner namespace, inside the root: reaps
 *            └ inside    takes the command's own streams, closes the rest; user, capabilities, variables (inside.ts)
 *              the command
 *
 * Two process id namespaces, for two reasons. The outer one makes bubblewrap's watching process a process 1, which
 * no terminal signal ends, and with which the kernel ends all others before the waiting supervisor sees it go: when the
 * chain has ended, nothing of it runs, and no mount of it is left. The inner one keeps that process, which still
 * sees the host's files, out of the command's sight: through /proc/1/root or ptrace(2) it would be the way out.
 * (Without one of its own bwrap also binds the /proc of the host.)
 *
 * (A build can have the supervisor make the sandbox instead, in one namespace: docs/without-bubblewrap.md.)
 *
 * Where that program is missing, and for new privileges, it is a shell from the host's toolbox that takes the streams, and
 * setpriv, chroot and env as needed (confinement.ts).
 *
 * Where the command gets a terminal of its own, one process more stands beside the chain (terminal-program.ts).
 *
 * No words of the caller's are words of one of these programs, which everybody on the host can read in ps(1): the
 * supervisor and the innermost link read what they are told from a socket
 * of ours, or have it from the environment of the former. So nothing but execve(2) limits a command's length.
 */

/** Numbers of the descriptors that the chain is started with, beside stdout (1). */
export const DESCRIPTORS = {
  /** What the supervisor and the innermost link are told. */
  told: 0,
  /** What goes wrong before the command runs is told here, so that it is not mixed up with what the command says. */
  setup: 2,
  status: 3,
  /** The command's own standard input and error. */
  stdin: 4,
  stderr: 5,
  /**
   * Where the innermost link is answered. Not on the descriptor that it is set up on: what lies there unread when its last
   * end is closed makes the kernel tell us of a broken connection, before and in the place of what was said on it.
   */
  answer: 6,
  /** The first that is the chain's own. */
  first: 7,
} as const;

/**
 * The same as the first link gets them, which swaps what differs before anything else: the command's streams where every
 * program has its own, since not every runtime can hand them over by other numbers.
 */
export const AT_START = {
  ...DESCRIPTORS,
  stdin: DESCRIPTORS.told,
  told: DESCRIPTORS.stdin,
  stderr: DESCRIPTORS.setup,
  setup: DESCRIPTORS.stderr,
} as const;

/** Said on the set-up descriptor when the command is about to run. */
export const STARTED = 'chrootctl: started';

/** The answer to it that the innermost shell waits for. */
export const PROCEED = 'proceed\n';

/**
 * What the innermost shell reads and does. It goes on only when our process has answered, which that does after it has
 * heard from bwrap (`child-pid`), which says so after it has asked to die with its parent. So the answer proves that the
 * whole chain was alive with every link of it made: had we been killed earlier, there is no answer and the socket
 * closes; later, each link ends the next. (Whether the socket is open proves nothing: the other threads of a killed
 * Node keep it so for a while after its children have been told of its death.)
 *
 * A group in braces: it is read to its end before any of it is done.
 */
export function innerScript(env: Readonly<Record<string, string>>, words: readonly string[]): string {
  const {setup, status, stdin, stderr, answer, first} = DESCRIPTORS;
  // Two more are the chain's own: bwrap's filter and options.
  const rest = [status, stdin, stderr, answer, first, first + 1];
  const variables = Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}`);
  return [
    '{',
    `echo '${STARTED}' >&${setup} && read -r chrootctl_answer <&${answer} || exit 1`,
    `exec <&${stdin} 2>&${stderr} ${rest.map((fd) => `${fd}>&-`).join(' ')}`,
    'umask 022',
    'unset PWD OLDPWD SHLVL chrootctl_answer',
    ...(variables.length === 0 ? [] : [`export ${variables.join(' ')}`]),
    `exec ${words.map(quoted).join(' ')}`,
    '}\n',
  ].join('\n');
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
