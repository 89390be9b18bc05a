/*
 * The innermost link of the chain that leads to a command (src/sandbox/chain.ts), inside the root: says that its turn has
 * come and waits for the answer, takes the command's own streams, becomes the command's user with what that may, and the
 * command. src/sandbox/inside.ts says what it is told; src/sandbox/confinement.ts has the same for a shell, for places
 * without this program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "told.h"

/* Numbers of descriptors, and what is said (src/sandbox/chain.ts). */
enum { AT_SETUP = 2, AT_STDIN = 4, AT_STDERR = 5, AT_ANSWER = 6, OWN = 3 };
#define STARTED "chrootctl: started\n"

/* As the C library looks for programs where nobody has said where they are. */
#define PLACES "/bin:/usr/bin"

enum { NOT_FOUND = 127, NOT_RUN = 126, NOT_CONFINED = 125, HIGHEST_CAPABILITY = 63 };

/* The answer proves that the whole chain is alive: without it, whoever started it is not. */
static void await_answer(void)
{
	char byte = 0;
	if (write(AT_SETUP, STARTED, sizeof STARTED - 1) != (ssize_t)(sizeof STARTED - 1)) _exit(1);
	while (byte != '\n') {
		ssize_t got = read(AT_ANSWER, &byte, 1);
		if (got < 0 && errno == EINTR) continue;
		if (got <= 0) _exit(1);
	}
}

static void take_streams(void)
{
	if (dup2(AT_STDIN, STDIN_FILENO) < 0 || dup2(AT_STDERR, STDERR_FILENO) < 0) fail("stream", "");
	close_from(OWN);
}

/* All but these are out of reach for good, whatever program is started. */
static void bound(struct list kept)
{
	unsigned long long mask = 0;
	for (size_t i = 0; i < kept.count; i++) {
		long long number = number_at(kept, i);
		if (number < 0 || number > HIGHEST_CAPABILITY) senseless();
		mask |= 1ULL << number;
	}
	for (int number = 0; number <= HIGHEST_CAPABILITY; number++) {
		if ((mask >> number & 1) != 0 || prctl(PR_CAPBSET_READ, number, 0, 0, 0) != 1) continue;
		if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) fail("chrootctl: capabilities", "");
	}
}

/* capset(2), whose header is the kernel's: its third version, two words a set. */
struct capabilities { uint32_t effective, permitted, inheritable; };
struct version { uint32_t version; int process; };
enum { THIRD_VERSION = 0x20080522 };

/* Nothing is inherited by programs that are no root's (CVE-2022-24769); the ambient ones go with that. */
static void inherit_none(void)
{
	struct version header = {THIRD_VERSION, 0};
	struct capabilities sets[2];
	if (syscall(SYS_capget, &header, sets) != 0) fail("chrootctl: capabilities", "");
	sets[0].inheritable = sets[1].inheritable = 0;
	if (syscall(SYS_capset, &header, sets) != 0) fail("chrootctl: capabilities", "");
}

/* By number alone: no name service of the root is asked. No groups: they stay as they are, for the root user. */
static void become(uid_t user, gid_t group, struct list groups)
{
	if (user == 0 && group == 0 && groups.count == 0) return;
	gid_t *all = allocated((groups.count + 1) * sizeof *all);
	size_t count = 0;
	all[count++] = group;
	for (size_t i = 0; i < groups.count; i++) {
		gid_t each = (gid_t)number_at(groups, i);
		if (each != group) all[count++] = each;
	}
	if (syscall(SYS_setgroups, count, all) != 0) fail("chrootctl: groups", "");
	if (syscall(SYS_setresgid, group, group, group) != 0) fail("chrootctl: group", "");
	/* The switch away from root takes every capability from the process by itself (capabilities(7)). */
	if (syscall(SYS_setresuid, user, user, user) != 0) fail("chrootctl: user", "");
}

/* A file that is no program the system knows is a script for the shell, as the C library has it (execvp(3)). */
static void execute(const char *path, char **words, size_t count, char **variables)
{
	execve(path, words, variables);
	if (errno != ENOEXEC) return;
	char **shell = allocated((count + 2) * sizeof *shell);
	shell[0] = "/bin/sh";
	shell[1] = (char *)path;
	memcpy(shell + 2, words + 1, count * sizeof *shell);
	execve(shell[0], shell, variables);
	free(shell);
}

/* Whether it may be in another place. */
static int is_elsewhere(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ESTALE || error == ENODEV || error == ETIMEDOUT ||
		error == ENAMETOOLONG;
}

static _Noreturn void start(char **words, size_t count, char **variables, const char *places)
{
	const char *name = words[0];
	int error = ENOENT;
	if (strchr(name, '/') == NULL && strlen(name) > NAME_MAX) error = ENAMETOOLONG;
	else if (strchr(name, '/') != NULL || *name == 0) {
		execute(name, words, count, variables);
		error = errno;
	} else {
		for (const char *at = places;; at++) {
			size_t length = strcspn(at, ":");
			char *path = allocated(length + strlen(name) + 2);
			memcpy(path, at, length);
			strcpy(path + length, length == 0 ? "" : "/");
			strcat(path, name);
			execute(path, words, count, variables);
			free(path);
			if (errno == EACCES) error = EACCES;
			else if (!is_elsewhere(errno)) {
				error = errno;
				break;
			}
			at += length;
			if (*at == 0) break;
		}
	}
	dprintf(STDERR_FILENO, "chrootctl: failed to execute %s: %s\n", name, reason(error));
	_exit(error == ENOENT ? NOT_FOUND : NOT_RUN);
}

/* With a last one that is none. */
static char **texts(struct list list)
{
	char **all = allocated((list.count + 1) * sizeof *all);
	for (size_t i = 0; i < list.count; i++) all[i] = (char *)text_of(list, i);
	all[list.count] = NULL;
	return all;
}

static const char *value_of(char **variables, const char *name)
{
	size_t length = strlen(name);
	for (; *variables != NULL; variables++)
		if (strncmp(*variables, name, length) == 0 && (*variables)[length] == '=') return *variables + length + 1;
	return NULL;
}

int main(void)
{
	struct list parts = list_of(told_whole());
	if (parts.count != 5) senseless();
	struct list own = list_of(parts.parts[0]), groups = list_of(parts.parts[1]), kept = list_of(parts.parts[2]);
	struct list variables = list_of(parts.parts[3]), words = list_of(parts.parts[4]);
	uid_t user = (uid_t)number_at(own, 0);
	gid_t group = (gid_t)number_at(own, 1);
	int is_bound = number_at(own, 2) != 0;
	if (words.count == 0) senseless();
	char **command = texts(words), **environment = texts(variables);
	await_answer();
	take_streams();
	/* What goes wrong from here on is told where the command's own complaints go. */
	failed = NOT_CONFINED;
	umask(022);
	if (is_bound) bound(kept);
	inherit_none();
	become(user, group, groups);
	const char *places = value_of(environment, "PATH");
	start(command, words.count, environment, places == NULL ? PLACES : places);
}
