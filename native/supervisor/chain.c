/*
 * What leads to the command from the process that waits for it (src/sandbox/chain.ts): process 1 of the outer namespace
 * joins the control groups, mounts the root and shuts the command in there (native/wall).
 */
#define _GNU_SOURCE
#include "chain.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wall.h"

struct chain chain_of(struct part whole)
{
	struct list parts = list_of(whole);
	/* The terminal is perl's. */
	if (parts.count != 14 || parts.parts[2].length != 0) senseless();
	return (struct chain){
		.own = list_of(parts.parts[0]),
		.made = list_of(parts.parts[1]),
		.groups = list_of(parts.parts[3]),
		.detach = list_of(parts.parts[4]),
		.mounts = list_of(parts.parts[5]),
		.directories = list_of(parts.parts[6]),
		.files = list_of(parts.parts[7]),
		.ulimits = list_of(parts.parts[8]),
		.pipes = list_of(parts.parts[9]),
		.filter = parts.parts[10],
		.options = parts.parts[11],
		.command = list_of(parts.parts[12]),
		.entrance = parts.parts[13],
	};
}

struct made_pipe made_pipe_at(struct list made, size_t index)
{
	static const struct { const char *text; struct made_pipe pipe; } known[] = {
		{"4<", {AT_STDIN, READING, 0}},
		{"1>", {STDOUT_FILENO, WRITING, 0}},
		{"5>", {AT_STDERR, WRITING, 0}},
		{"5=1", {AT_STDERR, SHARED, STDOUT_FILENO}},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(text_of(made, index), known[i].text) == 0) return known[i].pipe;
	senseless();
}

/* A pipe with all of it inside. Gives the reading end, which what we become inherits. */
int piped(struct part content)
{
	int ends[2];
	if (pipe(ends) != 0) fail("pipe", "");
	if (content.length > 65536) (void)fcntl(ends[1], F_SETPIPE_SZ, (int)content.length);
	/* What does not fit would be waited for for ever. */
	if (fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0) fail("pipe", "");
	if (write(ends[1], content.text, content.length) != (ssize_t)content.length) fail("pipe", "");
	close(ends[1]);
	return ends[0];
}

void attach(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	if (mount(source, target, type, flags, data) != 0) fail("mount: ", target);
}

void join_groups(struct list groups)
{
	for (size_t i = 0; i < groups.count; i++) {
		char path[PATH_MAX];
		snprintf(path, sizeof path, "%s/cgroup.procs", text_of(groups, i));
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1) fail("control group: ", text_of(groups, i));
		close(fd);
	}
}

void lock_for_life(int fd, mode_t mode)
{
	if (fcntl(fd, F_GETFD) < 0) fail("lock", "");
	if (flock(fd, LOCK_EX) == 0) (void)fchmod(fd, mode);
}

static void mount_all(struct list mounts, int patient)
{
	int tries = 0;
	for (size_t i = 0; i < mounts.count; i += 5) {
		const char *source = text_of(mounts, i), *target = text_of(mounts, i + 1), *type = text_of(mounts, i + 2);
		unsigned long flags = (unsigned long)number_at(mounts, i + 3);
		const char *data = text_of(mounts, i + 4);
		if (strcmp(type, "directory") == 0) {
			if (mkdir(target, 0755) != 0) fail("mkdir: ", target);
			continue;
		}
		/* The kernel refuses to mount a sysfs upon itself. */
		if (strcmp(type, "sysfs") == 0) (void)umount2(target, MNT_DETACH);
		while (mount(source, target, type, flags, data) != 0) {
			if (!patient || errno != EBUSY || tries++ >= 100) fail("mount: ", target);
			usleep(50000);
		}
		if (strcmp(type, "overlay") != 0 || (flags & MS_RDONLY) != 0 || access(target, W_OK) == 0) continue;
		dprintf(setup, "mount: no space left on the device of the store: the root would be read-only\n");
		_exit(1);
	}
}

static char *below(const char *root, const char *path)
{
	size_t length = strlen(root) + strlen(path) + 1;
	char *whole = allocated(length);
	snprintf(whole, length, "%s%s", root, path);
	return whole;
}

static void make_places(const char *root, struct list directories, struct list files)
{
	for (size_t i = 0; i < directories.count; i++) {
		const char *path = text_of(directories, i);
		if (mkdir(below(root, path), 0755) != 0 && errno != EEXIST) fail("mkdir: ", path);
	}
	for (size_t i = 0; i + 1 < files.count; i += 2) {
		const char *path = below(root, text_of(files, i));
		struct part content = files.parts[i + 1];
		if (unlink(path) != 0 && errno != ENOENT) continue;
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 || write(fd, content.text, content.length) != (ssize_t)content.length) fail("file: ", path);
		close(fd);
	}
}

void limit(struct list ulimits)
{
	for (size_t i = 0; i + 2 < ulimits.count; i += 3) {
		struct rlimit limits = {(rlim_t)number_at(ulimits, i + 1), (rlim_t)number_at(ulimits, i + 2)};
		if (setrlimit((int)number_at(ulimits, i), &limits) != 0) fail("ulimit", "");
	}
}

pid_t start_inside(const struct chain *chain)
{
	unsigned long spaces = (unsigned long)number_at(chain->own, 1), least = CLONE_NEWNS | CLONE_NEWPID;
	/* What is mounted is mounted nowhere else. */
	if ((spaces & least) != least) senseless();
	/* As fork(2), with namespaces of its own, so that the process that waits stays in those of the host. */
	return (pid_t)syscall(SYS_clone, spaces | SIGCHLD, 0, 0, 0, 0);
}

void make_root(const struct chain *chain)
{
	attach("none", "/", "", MS_REC | MS_SLAVE, "");
	umask(0);
	join_groups(chain->groups);
	for (size_t i = 0; i < chain->detach.count; i++) (void)umount2(text_of(chain->detach, i), MNT_DETACH);
	if (chdir(text_of(chain->own, 3)) != 0) fail("mount: ", text_of(chain->own, 3));
	mount_all(chain->mounts, number_at(chain->own, 4) != 0);
	attach("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
	make_places(text_of(chain->own, 5), chain->directories, chain->files);
	raise_wall(chain);
}

void lead_to_command(const struct chain *chain)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	make_root(chain);
	limit(chain->ulimits);
	for (size_t i = 1; i < chain->pipes.count; i++)
		(void)fchown((int)number_at(chain->pipes, i), (uid_t)number_at(chain->pipes, 0), (gid_t)-1);
	start_behind_wall(chain);
}
