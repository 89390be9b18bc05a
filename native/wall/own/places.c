/* What is mounted inside, as bwrap has it. */
#define _GNU_SOURCE
#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chain.h"
#include "trees.h"

/* Parents are told before. What is there is fine, and not asked to be writable. */
static void make_directory(const char *path, mode_t mode)
{
	struct stat stats;
	if (stat(path, &stats) == 0 && S_ISDIR(stats.st_mode)) return;
	if (mkdir(path, mode) != 0) fail("mkdir: ", path);
}

static void make_file(const char *path)
{
	struct stat stats;
	if (stat(path, &stats) == 0 && !S_ISDIR(stats.st_mode)) return;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0) fail("file: ", path);
	close(fd);
}

static void link_to(const char *target, const char *path)
{
	if (symlink(target, path) != 0) fail("link: ", path);
}

static void bind_at(int tree, const char *target)
{
	if (is_directory(tree)) make_directory(target, 0755);
	else make_file(target);
	put(tree, target);
}

/* What root can write there whatever it may else. Of /proc/sys access(2) denies it, so that is told. */
static void make_proc(const char *target)
{
	static const char *const covered[] = {"sys", "sysrq-trigger", "irq", "bus"};
	make_directory(target, 0755);
	attach("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
	for (size_t i = 0; i < sizeof covered / sizeof *covered; i++) {
		char path[64];
		if (snprintf(path, sizeof path, "%s/%s", target, covered[i]) >= (int)sizeof path) senseless();
		if (access(path, W_OK) == 0) put(copied(path, IS_READ_ONLY | NO_SET_UID | NO_DEVICES), path);
	}
}

/* The devices themselves are told. */
static void make_dev(void)
{
	make_directory("/dev", 0755);
	attach("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
	link_to("/proc/self/fd/0", "/dev/stdin");
	link_to("/proc/self/fd/1", "/dev/stdout");
	link_to("/proc/self/fd/2", "/dev/stderr");
	link_to("/proc/self/fd", "/dev/fd");
	link_to("/proc/kcore", "/dev/core");
	link_to("pts/ptmx", "/dev/ptmx");
	make_directory("/dev/shm", 0755);
	make_directory("/dev/pts", 0755);
	attach("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620");
}

static void make_tmpfs(const struct step *step)
{
	char data[64];
	int has_size = step->size != NULL;
	snprintf(data, sizeof data, "mode=0%o%s%s", step->mode, has_size ? ",size=" : "", has_size ? step->size : "");
	make_directory(step->target, 0755);
	attach("tmpfs", step->target, "tmpfs", MS_NOSUID | MS_NODEV, data);
}

void make(const struct step *step)
{
	switch (step->what) {
	case BIND: bind_at(step->tree, step->target); break;
	case PROC: make_proc(step->target); break;
	case DEV: make_dev(); break;
	case TMPFS: make_tmpfs(step); break;
	case DIRECTORY: make_directory(step->target, step->mode); break;
	case REMOUNT_READ_ONLY: forbid(step->target, IS_READ_ONLY | NO_SET_UID | NO_DEVICES); break;
	}
}
