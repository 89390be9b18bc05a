/*
 * What comes between a sandbox and its command, of which src/sandbox/inside.ts tells: the command becomes its user, with what that
 * may, and starts.
 */
#define _GNU_SOURCE
#include "confining.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As the C library looks for programs where nobody has said where they are. */
#define PLACES "/bin:/usr/bin"

enum { NOT_FOUND = 127, NOT_RUN = 126, HIGHEST_CAPABILITY = 63 };

/* All but these are out of reach for good, whatever program is started. */
void bound(struct list kept)
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
void inherit_none(void)
{
	struct version header = {THIRD_VERSION, 0};
	struct capabilities sets[2];
	if (syscall(SYS_capget, &header, sets) != 0) fail("chrootctl: capabilities", "");
	sets[0].inheritable = sets[1].inheritable = 0;
	if (syscall(SYS_capset, &header, sets) != 0) fail("chrootctl: capabilities", "");
}

void hold_only(struct list held)
{
	unsigned long long mask = 0;
	for (size_t i = 0; i < held.count; i++) mask |= 1ULL << number_at(held, i);
	bound(held);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) fail("capabilities", "");
	struct version header = {THIRD_VERSION, 0};
	struct capabilities sets[2];
	for (int i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(mask >> (32 * i));
		sets[i] = (struct capabilities){half, half, half};
	}
	if (syscall(SYS_capset, &header, sets) != 0) fail("capabilities", "");
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

struct confinement confinement_of(struct part whole)
{
	struct list parts = list_of(whole);
	if (parts.count != 5) senseless();
	struct list own = list_of(parts.parts[0]), words = list_of(parts.parts[4]);
	if (words.count == 0) senseless();
	return (struct confinement){
		.user = (uid_t)number_at(own, 0),
		.group = (gid_t)number_at(own, 1),
		.is_bound = number_at(own, 2) != 0,
		.groups = list_of(parts.parts[1]),
		.kept = list_of(parts.parts[2]),
		.variables = texts(list_of(parts.parts[3])),
		.words = texts(words),
		.count = words.count,
	};
}

void become_user(const struct confinement *to)
{
	become(to->user, to->group, to->groups);
}

void start_command(const struct confinement *of)
{
	const char *places = value_of(of->variables, "PATH");
	start(of->words, of->count, of->variables, places == NULL ? PLACES : places);
}
