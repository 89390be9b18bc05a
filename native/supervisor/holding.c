/*
 * A sandbox that lasts, without a command: bwrap makes it, and a process that does nothing else holds its namespaces open
 * (src/sandbox/holder.ts). It is process 1 of its process namespace: what a command has left behind becomes its child, and
 * when it ends all in there does.
 *
 * It may be seen from inside, so there is nothing to be had from it: its own root is an empty directory, and it holds no
 * capability. Nor is it in the sandbox's root, where those who clean up look for what still runs.
 */
#define _GNU_SOURCE
#include "holding.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chain.h"
#include "confining.h"
#include "wall.h"

/* Further up than those which they become. */
enum { SPARE = HELD_END };

/* The descriptor of the file that is locked as long as the sandbox is there. */
enum { LIFELINE = 3 };

#define NAME "chrootctl"

static int opened(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC), spare = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, SPARE);
	if (spare < 0) fail("open: ", path);
	close(fd);
	return spare;
}

/* What the first process inside says of itself; where bwrap did not come that far, it has told why. */
static int first_inside(int said)
{
	char text[16] = "";
	size_t length = 0;
	while (length < sizeof text - 1 && strchr(text, '\n') == NULL) {
		ssize_t got = read(said, text + length, sizeof text - 1 - length);
		if (got < 0 && errno == EINTR) continue;
		if (got <= 0) _exit(1);
		length += (size_t)got;
	}
	close(said);
	return atoi(text);
}

static void take_hold(int process)
{
	static const char *const places[] = {"ns/mnt", "ns/net", "ns/ipc", "ns/uts", "root"};
	int held[HELD_END - HELD_MOUNTS];
	for (int i = 0; i < HELD_END - HELD_MOUNTS; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/%s", process, places[i]);
		held[i] = opened(path, HELD_MOUNTS + i == HELD_ROOT ? O_PATH | O_DIRECTORY : O_RDONLY);
	}
	for (int i = 0; i < HELD_END - HELD_MOUNTS; i++)
		if (dup2(held[i], HELD_MOUNTS + i) < 0) fail("namespace", "");
}

/* Nothing of the host is left in reach, not above the new root either. */
static void leave_for_nowhere(void)
{
	if (mount("none", "/proc", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0,mode=0555") != 0)
		fail("mount: ", "/proc");
	if (chdir("/proc") != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
		fail("pivot_root", "");
}

/* bwrap mounts the root nosuid, which nobody inside can change: set-uid programs count where they are to. */
static void mount_root_again(unsigned long flags)
{
	pid_t child = fork();
	if (child < 0) fail("fork", "");
	if (child == 0) {
		if (setns(HELD_MOUNTS, CLONE_NEWNS) != 0 || fchdir(HELD_ROOT) != 0 || chroot(".") != 0) fail("root", "");
		attach("none", "/", "", flags, "");
		_exit(0);
	}
	int ended = 0;
	while (waitpid(child, &ended, 0) < 0 && errno == EINTR) continue;
	if (ended != 0) _exit(1);
}

/* The next byte; 0 where there is nobody any more to send one. */
static char heard(int from)
{
	char byte;
	ssize_t got;
	while ((got = read(from, &byte, 1)) < 0 && errno == EINTR) continue;
	return got == 1 ? byte : 0;
}

/* Nothing is to be had from it then. */
static void give_up(void)
{
	(void)setgroups(0, NULL);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	hold_only((struct list){NULL, 0});
}

/*
 * From here on it only waits: who may trace it from inside is to gain no system call by that. An instruction of a filter is
 * that of the kernel (seccomp(2)); a library without the kernel's headers has no names for it.
 */
#if defined(__x86_64__)
#define ARCHITECTURE 0xC000003EU
#elif defined(__aarch64__)
#define ARCHITECTURE 0xC00000B7U
#endif
static void only_wait(void)
{
#ifdef ARCHITECTURE
	enum { LOAD = 0x20, IF_EQUAL = 0x15, GIVE = 0x06, NUMBER = 0, CALLED_BY = 4 };
	static const unsigned allowed = 0x7FFF0000U, refused = 0x00050000U | EPERM;
	struct instruction { unsigned short code; unsigned char yes, no; unsigned value; } program[] = {
		{LOAD, 0, 0, CALLED_BY}, {IF_EQUAL, 1, 0, ARCHITECTURE}, {GIVE, 0, 0, refused},
		{LOAD, 0, 0, NUMBER}, {IF_EQUAL, 3, 0, SYS_wait4}, {IF_EQUAL, 2, 0, SYS_rt_sigtimedwait},
		{IF_EQUAL, 1, 0, SYS_exit_group}, {GIVE, 0, 0, refused}, {GIVE, 0, 0, allowed},
	};
	struct { unsigned short length; struct instruction *instructions; } whole = {sizeof program / sizeof *program, program};
	/* A kernel without filters has none for commands either. */
	(void)prctl(PR_SET_SECCOMP, 2, &whole, 0, 0);
#endif
}

/* By our words everybody inside could read where things are on the host. */
static void be_called(const char *name, char **words)
{
	char *last = words[0];
	for (char **word = words; *word != NULL; word++) last = *word + strlen(*word);
	size_t length = (size_t)(last - words[0]);
	memset(words[0], 0, length);
	memcpy(words[0], name, strlen(name) < length ? strlen(name) : length);
	prctl(PR_SET_NAME, name);
}

/* `answer`: that it holds, and when it is told to `go` on, that it is there by itself. */
static _Noreturn void hold(const struct chain *chain, char **words, int answer, int go)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	make_root(chain);
	int said[2], nothing = opened("/dev/null", O_RDWR);
	if (pipe2(said, O_CLOEXEC) != 0) fail("pipe", "");
	pid_t builder = fork();
	if (builder < 0) fail("fork", "");
	if (builder == 0) {
		if (dup2(nothing, STDIN_FILENO) < 0 || dup2(said[1], STDOUT_FILENO) < 0) fail("stream", "");
		start_behind_wall(chain);
	}
	close(said[1]);
	int process = first_inside(said[0]);
	answer = fcntl(answer, F_DUPFD_CLOEXEC, SPARE);
	go = fcntl(go, F_DUPFD_CLOEXEC, SPARE);
	if (answer < 0 || go < 0) fail("stream", "");
	take_hold(process);
	unsigned long flags = strtoul(words[3], NULL, 10);
	if (flags != 0) mount_root_again(flags);
	leave_for_nowhere();
	(void)kill(process, SIGKILL);
	while (waitpid(builder, NULL, 0) < 0 && errno == EINTR) continue;
	(void)setsid();
	for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++)
		if (dup2(nothing, fd) < 0) fail("stream", "");
	be_called(NAME, words);
	give_up();
	if (write(answer, "h", 1) != 1 || heard(go) == 0 || dup2(nothing, STDERR_FILENO) < 0) _exit(1);
	if (write(answer, "h", 1) != 1) _exit(1);
	close_from(HELD_END);
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	only_wait();
	/* Whoever was left behind by a command, and has ended. */
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0) continue;
		sigset_t ended;
		sigemptyset(&ended);
		sigaddset(&ended, SIGCHLD);
		(void)sigwaitinfo(&ended, NULL);
	}
}

/*
 * Stays behind outside, where nobody inside sees it: it has the lock that tells of the sandbox's life, and waits for the one
 * that holds, which ends with it. `answer`: that all is done.
 */
static _Noreturn void keep(const struct chain *chain, char **words, int has_lifeline, int answer)
{
	int said[2], go[2], nothing = opened("/dev/null", O_RDWR);
	if (pipe2(said, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0) fail("pipe", "");
	pid_t child = start_inside(chain);
	if (child < 0) fail("unshare", "");
	if (child == 0) {
		close(answer);
		close(said[0]);
		close(go[1]);
		hold(chain, words, said[1], go[0]);
	}
	close(said[1]);
	close(go[0]);
	if (heard(said[0]) == 0) _exit(1);
	(void)setsid();
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "", MS_REC | MS_SLAVE, "") != 0) fail("unshare", "");
	leave_for_nowhere();
	give_up();
	/* Who we are is told on standard output; on standard input we are, that it has been written down. */
	dprintf(STDOUT_FILENO, "%d\n", getpid());
	if (heard(STDIN_FILENO) == 0 || prctl(PR_SET_PDEATHSIG, 0) != 0) _exit(1);
	if (write(go[1], "g", 1) != 1 || heard(said[0]) == 0) _exit(1);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(nothing, fd) < 0) _exit(1);
	if (write(answer, "h", 1) != 1) _exit(1);
	close_from(has_lifeline ? LIFELINE + 1 : LIFELINE);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
	_exit(0);
}

int hold_sandbox(char **words)
{
	/* Told on standard input, as one that waits. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct chain chain = chain_of(told_whole());
	if (chain.entrance.length != 0 || getppid() != number_at(chain.own, 0)) return 1;
	int has_lifeline = number_at(chain.own, 7) != 0, answer[2];
	if (has_lifeline) lock_for_life(LIFELINE, (mode_t)strtoul(words[2], NULL, 8));
	(void)setgroups(0, NULL);
	close_from(has_lifeline ? LIFELINE + 1 : LIFELINE);
	if (pipe2(answer, O_CLOEXEC) != 0) fail("pipe", "");
	pid_t self = getpid(), keeper = fork();
	if (keeper < 0) fail("fork", "");
	if (keeper == 0) {
		close(answer[0]);
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != self) _exit(1);
		keep(&chain, words, has_lifeline, answer[1]);
	}
	close(answer[1]);
	return heard(answer[0]) != 0 ? 0 : 1;
}
