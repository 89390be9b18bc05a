/*
 * What an ephemeral volume leaves: its directory gets another name, and is deleted with all that is in it
 * (src/storage/on-disk/removal.ts). What is the least unusual is left, as it is then, to who knows more of it.
 */
#define _GNU_SOURCE
#include "removal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As deep as descriptors are at hand for. */
enum { DEEPEST = 64 };

/* openat2(2), whose header is the kernel's. */
struct how { uint64_t flags, mode, resolve; };
enum { NO_XDEV = 1, NO_SYMLINKS = 4 };

/* A directory, and not one that something is mounted on. */
static int open_directory(int at, const char *name)
{
	struct how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = NO_XDEV | NO_SYMLINKS,
	};
	return (int)syscall(SYS_openat2, at, name, &how, sizeof how);
}

static int is_itself(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int deleted(int at, const char *name, long long *left, int depth)
{
	int fd = depth > DEEPEST ? -1 : open_directory(at, name);
	if (fd < 0) return 0;
	DIR *directory = fdopendir(fd);
	if (directory == NULL) {
		close(fd);
		return 0;
	}
	int is_fine = 1;
	struct dirent *entry;
	while (errno = 0, is_fine && (entry = readdir(directory)) != NULL) {
		if (is_itself(entry->d_name)) continue;
		if ((*left)-- <= 0) is_fine = 0;
		else if (entry->d_type == DT_DIR) is_fine = deleted(fd, entry->d_name, left, depth + 1);
		else is_fine = unlinkat(fd, entry->d_name, 0) == 0;
	}
	is_fine = is_fine && errno == 0;
	closedir(directory);
	return is_fine && unlinkat(at, name, AT_REMOVEDIR) == 0;
}

static int holds_only(int at, const char *name, struct list known)
{
	int fd = open_directory(at, name), is_known = 1;
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (directory == NULL) return 0;
	struct dirent *entry;
	while (errno = 0, is_known && (entry = readdir(directory)) != NULL) {
		if (is_itself(entry->d_name)) continue;
		is_known = 0;
		for (size_t i = 0; i < known.count; i++) is_known |= strcmp(entry->d_name, text_of(known, i)) == 0;
	}
	is_known = is_known && errno == 0;
	closedir(directory);
	return is_known;
}

/* Whether the table of mounts has a path through a directory of that name. */
static int is_mounted_in(const char *name)
{
	char wanted[256], text[8192];
	size_t kept = 0, length = (size_t)snprintf(wanted, sizeof wanted, "/%s/", name);
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), is_found = fd < 0 || length >= sizeof wanted;
	for (ssize_t count; !is_found && (count = read(fd, text + kept, sizeof text - kept)) != 0;) {
		if (count < 0) {
			is_found = errno != EINTR;
			continue;
		}
		size_t held = kept + (size_t)count;
		is_found = memmem(text, held, wanted, length) != NULL;
		/* What is cut in two is found when the rest of it is there. */
		kept = held < length ? held : length - 1;
		memmove(text, text + held - kept, kept);
	}
	if (fd >= 0) close(fd);
	return is_found;
}

static int is_as_it_was(const char *path, const char *identity)
{
	struct stat now;
	char text[64];
	if (*path == 0) return 1;
	if (stat(path, &now) != 0) return 0;
	snprintf(text, sizeof text, "%llu %lld%09ld", (unsigned long long)now.st_ino, (long long)now.st_ctim.tv_sec,
		(long)now.st_ctim.tv_nsec);
	return strcmp(text, identity) == 0;
}

int is_removed(struct list removal)
{
	if (removal.count != 7) return 0;
	const char *volumes = text_of(removal, 0), *name = text_of(removal, 1), *gone = text_of(removal, 2);
	long long left = number_at(removal, 4);
	struct list parts = list_of(removal.parts[3]);
	int at = open(volumes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0) return 0;
	if (!holds_only(at, name, parts) || is_mounted_in(name) || renameat(at, name, at, gone) != 0) return 0;
	/* Whoever gives up the parent looks for heirs afterwards: one of the two sees the other. */
	if (!is_as_it_was(text_of(removal, 5), text_of(removal, 6))) return 0;
	/* The record last: it says what the rest is. */
	int volume = open_directory(at, gone);
	if (volume < 0) return 0;
	for (size_t i = 0; i < parts.count; i++) {
		const char *part = text_of(parts, i);
		if (faccessat(volume, part, F_OK, AT_SYMLINK_NOFOLLOW) != 0) continue;
		if (i + 1 == parts.count ? unlinkat(volume, part, 0) != 0 : !deleted(volume, part, &left, 0)) return 0;
	}
	return unlinkat(at, gone, AT_REMOVEDIR) == 0;
}
