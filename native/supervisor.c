/*
 * The outer link of the chain that leads to a command (src/sandbox/chain.ts draws it, src/sandbox/outer.ts says what it
 * is told): it dies with its parent, makes the namespaces, and waits; its child, process 1 of the outer namespace, joins
 * the control groups, mounts the root and becomes bwrap. src/sandbox/outer-program.ts has the same in perl, for places
 * without this program and for what few commands need (terminals of their own, new privileges).
 *
 * Usage: supervisor TOLD SETUP STATUS STDIN STDERR FIRST LOCKED   descriptors, by their numbers, and a mode
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* A part of what we are told: its bytes, and a zero after them that belongs to us. */
struct part { char *text; size_t length; };
struct list { struct part *parts; size_t count; };

static int setup = 2;

/* As the C library of Debian calls them: who reads this looks for these words. */
static const char *reason(int error)
{
	switch (error) {
	case EBUSY: return "Device or resource busy";
	case EMFILE: return "Too many open files";
	case ENFILE: return "Too many open files in system";
	case ENOMEM: return "Cannot allocate memory";
	case EAGAIN: return "Resource temporarily unavailable";
	case ELOOP: return "Too many levels of symbolic links";
	case EDQUOT: return "Disk quota exceeded";
	case EIO: return "Input/output error";
	default: return strerror(error);
	}
}

static _Noreturn void fail(const char *what, const char *about)
{
	dprintf(setup, "%s%s: %s\n", what, about, reason(errno));
	_exit(1);
}

static _Noreturn void senseless(void)
{
	dprintf(setup, "chrootctl: it was told what it cannot read\n");
	_exit(1);
}

static void *allocated(size_t size)
{
	void *room = malloc(size == 0 ? 1 : size);
	if (room == NULL) fail("memory", "");
	return room;
}

static uint32_t number32(const char *at)
{
	const unsigned char *byte = (const unsigned char *)at;
	return byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 | (uint32_t)byte[3] << 24;
}

/* Parts, each with its length before it. The zero after a part lies where the next one's length was read. */
static struct list list_of(struct part whole)
{
	struct list list = {NULL, 0};
	size_t most = whole.length / 4;
	list.parts = allocated(most * sizeof *list.parts);
	for (size_t at = 0; at < whole.length;) {
		if (whole.length - at < 4) senseless();
		size_t length = number32(whole.text + at);
		whole.text[at] = 0;
		at += 4;
		if (length > whole.length - at) senseless();
		list.parts[list.count++] = (struct part){whole.text + at, length};
		at += length;
	}
	/* Ours: the one who reads has left a byte after the whole. */
	whole.text[whole.length] = 0;
	return list;
}

static const char *text_of(struct list list, size_t index)
{
	if (index >= list.count || strlen(list.parts[index].text) != list.parts[index].length) senseless();
	return list.parts[index].text;
}

static long long number_of(const char *text)
{
	char *end;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != 0) senseless();
	return number;
}

static long long number_at(struct list list, size_t index)
{
	return number_of(text_of(list, index));
}

static void told(char *into, size_t count)
{
	while (count > 0) {
		ssize_t got = read(STDIN_FILENO, into, count);
		if (got < 0 && errno == EINTR) continue;
		/* Nobody is there to be told anything. */
		if (got <= 0) _exit(1);
		into += got;
		count -= (size_t)got;
	}
}

static void moved(int from, int to)
{
	if (dup2(from, to) != to) fail("stream", "");
}

static void swap(int one, int other, int spare)
{
	if (one == other) return;
	moved(one, spare);
	moved(other, one);
	moved(spare, other);
}

static void close_from(unsigned first)
{
	if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("descriptors", "");
	for (rlim_t fd = first; fd < limit.rlim_cur; fd++) close((int)fd);
}

static void lock_for_life(int fd, mode_t mode)
{
	if (fcntl(fd, F_GETFD) < 0) fail("lock", "");
	if (flock(fd, LOCK_EX) == 0) (void)fchmod(fd, mode);
}

/* A pipe with all of it inside. Gives the reading end, which what we become inherits. */
static int piped(struct part content)
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

static void make_pipes(struct list made)
{
	for (size_t i = 0; i < made.count; i++) {
		const char *text = text_of(made, i);
		size_t digits = strspn(text, "0123456789");
		int number = atoi(text), ends[2];
		if (text[digits] == '=') {
			if (dup2(atoi(text + digits + 1), number) != number) fail("pipe", "");
			continue;
		}
		if (pipe(ends) != 0 || dup2(ends[text[digits] == '<' ? 0 : 1], number) != number) fail("pipe", "");
		close(ends[0]);
		close(ends[1]);
	}
}

static void attach(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	if (mount(source, target, type, flags, data) != 0) fail("mount: ", target);
}

static void join_groups(struct list groups)
{
	for (size_t i = 0; i < groups.count; i++) {
		char path[PATH_MAX];
		snprintf(path, sizeof path, "%s/cgroup.procs", text_of(groups, i));
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1) fail("control group: ", text_of(groups, i));
		close(fd);
	}
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

static char *bubblewrap(void)
{
	const char *path = getenv("PATH");
	for (const char *at = path == NULL ? "" : path; *at != 0;) {
		size_t length = strcspn(at, ":");
		char *file = allocated(length + sizeof "/bwrap");
		memcpy(file, at, length);
		strcpy(file + length, "/bwrap");
		if (access(file, F_OK) == 0) return file;
		free(file);
		at += length + (at[length] == ':');
	}
	dprintf(setup, "bwrap: not found\n");
	_exit(1);
}

static void limit(struct list ulimits)
{
	for (size_t i = 0; i + 2 < ulimits.count; i += 3) {
		struct rlimit limits = {(rlim_t)number_at(ulimits, i + 1), (rlim_t)number_at(ulimits, i + 2)};
		if (setrlimit((int)number_at(ulimits, i), &limits) != 0) fail("ulimit", "");
	}
}

static void become_bubblewrap(char *file, struct part filter, struct part options, struct list command)
{
	char **words = allocated((command.count + 7) * sizeof *words), number[2][16], *none[] = {NULL};
	size_t count = 0;
	words[count++] = "bwrap";
	if (filter.length > 0) {
		snprintf(number[0], sizeof number[0], "%d", piped(filter));
		words[count++] = "--seccomp";
		words[count++] = number[0];
	}
	snprintf(number[1], sizeof number[1], "%d", piped(options));
	words[count++] = "--args";
	words[count++] = number[1];
	words[count++] = "--";
	for (size_t i = 0; i < command.count; i++) words[count++] = (char *)text_of(command, i);
	words[count] = NULL;
	execve(file, words, none);
	fail("bwrap", "");
}

static void ignored(int name) { (void)name; }

/* Tells what all of it took: user and system time, each in seconds and microseconds, memory, bytes written. */
static void report(int status, int io)
{
	struct rusage usage;
	char text[1024] = "", written[32] = "-", *found;
	if (getrusage(RUSAGE_CHILDREN, &usage) != 0) return;
	ssize_t length = read(io, text, sizeof text - 1);
	text[length > 0 ? length : 0] = 0;
	if ((found = strstr(text, "\nwrite_bytes: ")) != NULL) sscanf(found, "\nwrite_bytes: %30[0-9]", written);
	dprintf(status, "usage %lld %lld %lld %lld %ld %s\n", (long long)usage.ru_utime.tv_sec,
		(long long)usage.ru_utime.tv_usec, (long long)usage.ru_stime.tv_sec, (long long)usage.ru_stime.tv_usec,
		usage.ru_maxrss, written);
}

int main(int count, char **words)
{
	if (count != 8) return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setup = atoi(words[2]);
	int at_told = atoi(words[1]), status = atoi(words[3]), streams[2] = {atoi(words[4]), atoi(words[5])};
	int first = atoi(words[6]), spare = first + 1;
	mode_t locked = (mode_t)strtoul(words[7], NULL, 8);
	swap(STDIN_FILENO, at_told, spare);
	swap(STDERR_FILENO, setup, spare);
	setup = STDERR_FILENO;
	close(spare);

	char length[4];
	told(length, 4);
	struct part whole = {NULL, number32(length)};
	whole.text = allocated(whole.length + 1);
	told(whole.text, whole.length);
	whole.text[whole.length] = 0;
	struct list parts = list_of(whole);
	/* The terminal and the entrance are perl's. */
	if (parts.count != 14 || parts.parts[2].length != 0 || parts.parts[13].length != 0) senseless();
	struct list own = list_of(parts.parts[0]), made = list_of(parts.parts[1]), groups = list_of(parts.parts[3]);
	struct list detach = list_of(parts.parts[4]), mounts = list_of(parts.parts[5]);
	struct list directories = list_of(parts.parts[6]), files = list_of(parts.parts[7]);
	struct list ulimits = list_of(parts.parts[8]), pipes = list_of(parts.parts[9]), command = list_of(parts.parts[12]);
	int measured = number_at(own, 6) != 0, io = -1;
	if (getppid() != number_at(own, 0)) return 1;
	(void)setgroups(0, NULL);
	if (number_at(own, 7) != 0) lock_for_life(first, locked);
	close_from((unsigned)first);
	make_pipes(made);
	if (made.count > 0) {
		char answer;
		dprintf(setup, "chrootctl: pipes\n");
		told(&answer, 1);
	}
	for (int i = 0; i < 2; i++) {
		int flags = fcntl(streams[i], F_GETFL);
		if (flags < 0) fail("stream", "");
		(void)fcntl(streams[i], F_SETFL, flags & ~O_NONBLOCK);
	}
	static const int kept[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_handler = ignored};
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) sigaction(kept[i], &action, NULL);
	if (unshare((int)number_at(own, 1)) != 0) fail("unshare", "");
	attach("none", "/", "", MS_REC | MS_SLAVE, "");
	if (measured) io = open("/proc/self/io", O_RDONLY | O_CLOEXEC);

	pid_t child = fork();
	if (child < 0) fail("fork", "");
	if (child > 0) {
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
		if (measured) report(status, io);
		return 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (io >= 0) close(io);
	umask(0);
	join_groups(groups);
	for (size_t i = 0; i < detach.count; i++) (void)umount2(text_of(detach, i), MNT_DETACH);
	if (chdir(text_of(own, 3)) != 0) fail("mount: ", text_of(own, 3));
	mount_all(mounts, number_at(own, 4) != 0);
	attach("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
	make_places(text_of(own, 5), directories, files);
	char *bwrap = bubblewrap();
	attach(bwrap, bwrap, "", MS_BIND, "");
	attach("none", bwrap, "", MS_BIND | MS_REMOUNT | MS_RDONLY, "");
	limit(ulimits);
	for (size_t i = 1; i < pipes.count; i++)
		(void)fchown((int)number_at(pipes, i), (uid_t)number_at(pipes, 0), (gid_t)-1);
	become_bubblewrap(bwrap, parts.parts[10], parts.parts[11], command);
}
