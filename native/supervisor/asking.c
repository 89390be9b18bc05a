/* Whether a layer is being written through an overlay somewhere: src/storage/overlay/in-use.ts says how the kernel is asked. */
#define _GNU_SOURCE
#include "asking.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

enum { FREE = 0, IN_USE = 3, UNKNOWN = 4 };

int is_upper_in_use(const char *volumes, const char *lower, const char *upper, const char *work)
{
	char path[PATH_MAX], options[PATH_MAX];
	if (chdir(volumes) != 0 || getcwd(path, sizeof path) == NULL || unshare(CLONE_NEWNS) != 0) return UNKNOWN;
	if (mount("none", "/", "", MS_REC | MS_PRIVATE, "") != 0 || mount(".", ".", "", MS_BIND, "") != 0) return UNKNOWN;
	/* The directory that we are in as it was, this one as it is mounted now. */
	int other = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int length = snprintf(options, sizeof options, "index=on,lowerdir=%s,upperdir=%s,workdir=/proc/self/fd/%d/%s", lower,
		upper, other, work);
	if (other < 0 || length >= (int)sizeof options) return UNKNOWN;
	if (mount("none", ".", "overlay", 0, options) == 0) return UNKNOWN;
	return errno == EBUSY ? IN_USE : errno == EINVAL ? FREE : UNKNOWN;
}
