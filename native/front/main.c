/*
 * What is started as chrootctl in the Debian package: it starts the program, which is one with its runtime, as that runs
 * best. Where the runtime could not even say what it lacks, it is said here, as bin/chrootctl says it of Node; and what
 * its environment variables would make of it nobody means who runs chrootctl.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

/* From the directory of this program. */
#define PROGRAM "/dist/chrootctl"

/* What these have to do is done sooner than compiled. */
static const char *const brief[] = {
	"run", "exec", "session", "commit", "tag", "untag", "rollback", "inspect", "policy", "autopkgtest",
};
#define HIDDEN "CHROOTCTL_CALLERS_"
static char uncompiled[] = "BUN_JSC_useJIT=0";

/* And these come to their end before what is compiled best pays. */
static const char *const short_lived[] = {"images"};
static char less_compiled[] = "BUN_JSC_useFTLJIT=0";

/* Less than that the runtime does not start with (measured, and what of it depends on chance left out). */
enum { FEWEST_FILES = 16 };
#define LEAST_ADDRESSES (1500000ULL * 1024)

static int is_among(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, words[i]) == 0) return 1;
	return 0;
}

/* The exit code of a run that did not come to its command is 125, as docker has it. */
static int cannot(const char *why, const char *command)
{
	static const char *const runners[] = {"run", "exec"};
	dprintf(STDERR_FILENO, "chrootctl: %s\n", why);
	return is_among(command, runners, 2) ? 125 : 1;
}

/* A variable that means nothing to the runtime, and is still there for who wants it in a chroot (src/system/runtime.ts). */
static char *hidden(const char *variable)
{
	size_t size = strlen(variable) + sizeof HIDDEN;
	char *text = malloc(size);
	if (text != NULL) snprintf(text, size, HIDDEN "%s", variable);
	return text;
}

int main(int count, char **words)
{
	const char *command = count > 1 ? words[1] : "";
	char path[4096 + sizeof PROGRAM];
	ssize_t length = readlink("/proc/self/exe", path, 4096);
	if (length <= 0 || length == 4096) return cannot("/proc is needed, and not mounted here: mount -t proc proc /proc", command);
	path[length] = 0;
	strcpy(strrchr(path, '/'), PROGRAM);

	struct rlimit files, addresses;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FEWEST_FILES)
		return cannot("too few files may be open here: raise the limit (ulimit -n 1024)", command);
	if (getrlimit(RLIMIT_AS, &addresses) == 0 && addresses.rlim_cur < LEAST_ADDRESSES)
		return cannot("too little memory may be addressed here: raise the limit (ulimit -v unlimited)", command);

	size_t kept = 0, variables = 0;
	while (environ[variables] != NULL) variables++;
	char **env = malloc((variables + 2) * sizeof *env);
	if (env == NULL) return cannot("cannot allocate memory", command);
	for (size_t i = 0; i < variables; i++) {
		env[kept] = strncmp(environ[i], "BUN_", 4) == 0 ? hidden(environ[i]) : environ[i];
		if (env[kept++] == NULL) return cannot("cannot allocate memory", command);
	}
	if (is_among(command, brief, sizeof brief / sizeof *brief)) env[kept++] = uncompiled;
	else if (is_among(command, short_lived, sizeof short_lived / sizeof *short_lived)) env[kept++] = less_compiled;
	env[kept] = NULL;
	execve(path, words, env);
	dprintf(STDERR_FILENO, "chrootctl: cannot start %s: %s\n", path, strerror(errno));
	return cannot("install the package again", command);
}
