/* System calls that chrootctl's runtime has not, one each time we are started: src/system/calls.ts says which and what for. */
#define _GNU_SOURCE
#include "calling.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "told.h"

/* What the exit codes say. */
enum { DONE = 0, FAILED = 1, MISUSED = 2, LOST = 3, TAKEN = 100 };

static int failing(const char *what, const char *about)
{
	dprintf(STDERR_FILENO, "%s%s: %s\n", what, about, reason(errno));
	return FAILED;
}

static int lock(const char *fd, int how)
{
	while (flock((int)number_of(fd), how) != 0) {
		if (errno == EWOULDBLOCK) return TAKEN;
		if (errno != EINTR) return failing("flock", "");
	}
	return DONE;
}

static int take_times(const char *from, const char *to)
{
	struct stat found;
	if (stat(from, &found) != 0) return failing("stat: ", from);
	struct timespec times[] = {found.st_atim, found.st_mtim};
	return utimensat(AT_FDCWD, to, times, 0) == 0 ? DONE : failing("utimensat: ", to);
}

static char *below(const char *at, const char *name)
{
	size_t size = strlen(at) + strlen(name) + 2;
	char *path = allocated(size);
	snprintf(path, size, "%s/%s", at, name);
	return path;
}

/* The names in the working directory, each with its end, and an empty one after them. NULL: errno says why. */
static char *names_here(void)
{
	DIR *entries = opendir(".");
	if (entries == NULL) return NULL;
	char *names = allocated(1);
	size_t length = 0, room = 1;
	errno = 0;
	for (struct dirent *entry; (entry = readdir(entries)) != NULL; errno = 0) {
		size_t size = strlen(entry->d_name) + 1;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
		if (length + size + 1 > room) {
			room = 2 * (length + size + 1);
			names = realloc(names, room);
			if (names == NULL) fail("memory", "");
		}
		memcpy(names + length, entry->d_name, size);
		length += size;
	}
	int error = errno;
	closedir(entries);
	errno = error;
	if (error != 0) {
		free(names);
		return NULL;
	}
	names[length] = 0;
	return names;
}

static int look(const char *at, dev_t device, time_t since);

static int look_at(const char *name, const char *path, dev_t device, time_t since)
{
	struct stat found;
	if (lstat(name, &found) != 0) return errno == ENOENT ? DONE : failing("", path);
	if (S_ISDIR(found.st_mode)) {
		if (found.st_dev != device) return DONE;
		if (chdir(name) != 0) return failing("", path);
		int result = look(path, device, since);
		return result != DONE || chdir("..") == 0 ? result : failing("", path);
	}
	if (!S_ISREG(found.st_mode) || found.st_size == 0 || found.st_ctim.tv_sec < since) return DONE;
	int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) return failing("", path);
	int result = sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE) == 0 ? DONE : LOST;
	if (result == LOST) (void)failing("", path);
	close(fd);
	return result;
}

/*
 * Whether something was lost of a file in the working directory, or below, that has changed since: each remembers that by
 * itself, until somebody has been told. No directory stays open, however deep the tree is.
 */
static int look(const char *at, dev_t device, time_t since)
{
	char *names = names_here();
	if (names == NULL) return failing("", at);
	int result = DONE;
	for (const char *name = names; result == DONE && *name != 0; name += strlen(name) + 1) {
		char *path = below(at, name);
		result = look_at(name, path, device, since);
		free(path);
	}
	free(names);
	return result;
}

/* Each of the trees has before it the time of the changes that count, in seconds since 1970, and a colon. */
static int sync_all(int count, char **trees)
{
	if (syncfs(STDIN_FILENO) != 0) {
		(void)failing("", "");
		return LOST;
	}
	for (int i = 0; i < count; i++) {
		char *tree = strchr(trees[i], ':');
		if (tree == NULL) return MISUSED;
		*tree++ = 0;
		struct stat found;
		if (chdir(tree) != 0 || stat(".", &found) != 0) return failing("", tree);
		int result = look("", found.st_dev, (time_t)number_of(trees[i]));
		if (result != DONE) return result;
	}
	return DONE;
}

int call(int count, char **words)
{
	const char *name = words[0];
	if (strcmp(name, "sync") == 0) return sync_all(count - 1, words + 1);
	if (count == 2 && strcmp(name, "lock") == 0) return lock(words[1], LOCK_EX);
	if (count == 2 && strcmp(name, "lock-now") == 0) return lock(words[1], LOCK_EX | LOCK_NB);
	if (count == 2 && strcmp(name, "share-now") == 0) return lock(words[1], LOCK_SH | LOCK_NB);
	if (count == 2 && strcmp(name, "unmount") == 0)
		return umount2(words[1], UMOUNT_NOFOLLOW) == 0 ? DONE : failing("umount: ", words[1]);
	if (count == 3 && strcmp(name, "times") == 0) return take_times(words[1], words[2]);
	return MISUSED;
}
