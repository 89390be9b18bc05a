/*
 * Mounts as file descriptors: open_tree(2), move_mount(2), mount_setattr(2). The C library may have no names for them; the
 * numbers are the same on all processors. There is no way without them: Linux 5.12.
 */
#define _GNU_SOURCE
#include "trees.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "told.h"

enum { OPEN_TREE = 428, MOVE_MOUNT = 429, MOUNT_SETATTR = 442 };
enum { CLONED = 1, THE_DESCRIPTOR = 0x1000, AND_BELOW = 0x8000 };
enum { FROM_DESCRIPTOR = 0x4, FOLLOWING_LINKS = 0x10 };

/* struct mount_attr of the kernel. */
struct attributes { uint64_t set, clear, propagation, user_namespace; };

static void set(int mount, const char *name, unsigned scope, unsigned forbidden)
{
	struct attributes attributes = {.set = forbidden};
	if (syscall(MOUNT_SETATTR, mount, "", THE_DESCRIPTOR | scope, &attributes, sizeof attributes) != 0) fail("mount: ", name);
}

int copied(const char *source, unsigned forbidden)
{
	int tree = (int)syscall(OPEN_TREE, AT_FDCWD, source, CLONED | O_CLOEXEC | AND_BELOW);
	if (tree < 0) fail("mount: ", source);
	set(tree, source, AND_BELOW, forbidden);
	return tree;
}

void forbid(const char *target, unsigned forbidden)
{
	int mount = open(target, O_PATH | O_CLOEXEC);
	if (mount < 0) fail("mount: ", target);
	set(mount, target, 0, forbidden);
	close(mount);
}

void put(int tree, const char *target)
{
	if (syscall(MOVE_MOUNT, tree, "", AT_FDCWD, target, FROM_DESCRIPTOR | FOLLOWING_LINKS) != 0) fail("mount: ", target);
	close(tree);
}

int is_directory(int tree)
{
	struct stat stats;
	if (fstat(tree, &stats) != 0) fail("mount", "");
	return S_ISDIR(stats.st_mode);
}
