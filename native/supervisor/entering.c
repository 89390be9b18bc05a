/*
 * How a command comes into a sandbox that is held (holding.c): by a process that enters it, gives up what bwrap would give up,
 * and only then starts another, the first that can be seen from inside. That has nothing of the host any more, and ends when
 * the one that has started it does.
 */
#define _GNU_SOURCE
#include "entering.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "holding.h"

enum { NOT_CONFINED = 125 };

/* What the one that holds is told by (src/sandbox/holder.ts). */
struct entrance {
	long long holder, started;
	/* `terminal`: to be shown inside; empty for none. */
	const char *workdir, *terminal;
	/* All capabilities stay, and no filter is needed; set-uid programs count. */
	int is_privileged, has_new_privileges;
	struct list held;
};

static struct entrance entrance_of(struct part whole)
{
	struct list parts = list_of(whole);
	if (parts.count != 2) senseless();
	struct list own = list_of(parts.parts[0]);
	return (struct entrance){
		.holder = number_at(own, 0),
		.started = number_at(own, 1),
		.workdir = text_of(own, 2),
		.terminal = text_of(own, 3),
		.is_privileged = number_at(own, 4) != 0,
		.has_new_privileges = number_at(own, 5) != 0,
		.held = list_of(parts.parts[1]),
	};
}

static int opened(long long process, const char *what)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%lld/%s", process, what);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Its start, in the kernel's ticks (proc_pid_stat(5)); -1 when it is gone. */
static long long start_of(long long process)
{
	char text[1024];
	int fd = opened(process, "stat");
	ssize_t count = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0) close(fd);
	text[count > 0 ? count : 0] = 0;
	const char *at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++) at = strchr(at + 1, ' ');
	return at == NULL ? -1 : atoll(at);
}

static _Noreturn void gone(void)
{
	dprintf(setup, "holder: the session's sandbox is gone\n");
	_exit(1);
}

/*
 * open_tree(2) and move_mount(2), which the C library may have no names for, and kernels before 5.2 have not. What has no
 * name inside is a terminal all the same.
 */
enum { OPEN_TREE = 428, MOVE_MOUNT = 429, CLONED = 1, FROM_DESCRIPTOR = 4 };

/* A mount of it that is nowhere; -1 for none. */
static int taken(const char *terminal)
{
	return *terminal == 0 ? -1 : (int)syscall(OPEN_TREE, AT_FDCWD, terminal, CLONED | O_CLOEXEC);
}

/* In a mount namespace of the command's own: others have others. */
static void show(int terminal)
{
	if (terminal < 0) return;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "", MS_REC | MS_PRIVATE, "") != 0) fail("unshare", "");
	(void)syscall(MOVE_MOUNT, terminal, "", AT_FDCWD, "/dev/console", FROM_DESCRIPTOR);
	close(terminal);
}

static void enter(const struct entrance *into)
{
	int terminal = taken(into->terminal);
	static const struct { const char *place; int kind; } spaces[] = {
		{"ns/pid", CLONE_NEWPID}, {"fd/4", CLONE_NEWNET}, {"fd/5", CLONE_NEWIPC}, {"fd/6", CLONE_NEWUTS}, {"fd/3", CLONE_NEWNS},
	};
	enum { COUNT = sizeof spaces / sizeof *spaces };
	int fds[COUNT], root;
	for (int i = 0; i < COUNT; i++) fds[i] = opened(into->holder, spaces[i].place);
	root = opened(into->holder, "fd/7");
	/* Afterwards: the process that they were opened at was still the holder. */
	if (start_of(into->holder) != into->started || root < 0) gone();
	for (int i = 0; i < COUNT; i++)
		if (fds[i] < 0) gone();
	for (int i = 0; i < COUNT; i++) {
		if (setns(fds[i], spaces[i].kind) != 0) fail("setns", "");
		close(fds[i]);
	}
	/* The namespace's own root is the host's where chrootctl has been moved by chroot(2). */
	if (fchdir(root) != 0 || chroot(".") != 0) fail("root", "");
	close(root);
	show(terminal);
	if (chdir(into->workdir) != 0) fail("chdir: ", into->workdir);
}

/* The kernel's sock_fprog; an instruction has eight bytes. */
static void filter(struct part program)
{
	struct { unsigned short length; char *instructions; } whole = {(unsigned short)(program.length / 8), program.text};
	if (program.length > 0 && prctl(PR_SET_SECCOMP, 2, &whole, 0, 0) != 0) fail("seccomp", "");
}

/* `alive` is at its end when the process that has started this one is gone: of that getppid(2) tells nothing in here. */
static _Noreturn void become_command(const struct confinement *command, int alive)
{
	struct pollfd parent = {alive, POLLIN, 0};
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || poll(&parent, 1, 0) != 0) _exit(1);
	if (dup2(AT_STDIN, STDIN_FILENO) < 0 || dup2(AT_STDERR, STDERR_FILENO) < 0) fail("stream", "");
	close_from(STDERR_FILENO + 1);
	setup = STDERR_FILENO;
	failed = NOT_CONFINED;
	if (command->is_bound) bound(command->kept);
	inherit_none();
	become_user(command);
	/* Who becomes another loses it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) _exit(1);
	start_command(command);
}

void lead_inside(const struct chain *chain, int status)
{
	pid_t parent = getppid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) _exit(1);
	struct entrance into = entrance_of(chain->entrance);
	struct confinement command = confinement_of(told_whole());
	join_groups(chain->groups);
	for (size_t i = 1; i < chain->pipes.count; i++)
		(void)fchown((int)number_at(chain->pipes, i), (uid_t)number_at(chain->pipes, 0), (gid_t)-1);
	enter(&into);
	umask(022);
	limit(chain->ulimits);
	prctl(PR_SET_DUMPABLE, 0);
	if (!into.has_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs", "");
	filter(chain->filter);
	if (!into.is_privileged) hold_only(into.held);
	signal(SIGCHLD, SIG_DFL);
	int alive[2];
	if (pipe2(alive, O_CLOEXEC) != 0) fail("pipe", "");
	pid_t child = fork();
	if (child < 0) fail("fork", "");
	if (child == 0) {
		close(alive[1]);
		become_command(&command, alive[0]);
	}
	dprintf(setup, "chrootctl: started\n");
	dprintf(status, "{ \"child-pid\": %d }\n", child);
	close(AT_STDIN);
	close(AT_STDERR);
	close(STDOUT_FILENO);
	int ended;
	while (waitpid(child, &ended, 0) < 0)
		if (errno != EINTR) _exit(1);
	dprintf(status, "{ \"exit-code\": %d }\n", WIFSIGNALED(ended) ? 128 + WTERMSIG(ended) : WEXITSTATUS(ended));
	_exit(0);
}
