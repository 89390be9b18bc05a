/* The wall that bubblewrap makes: process 1 of the outer namespace becomes it. */
#define _GNU_SOURCE
#include "wall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static char *bwrap;

static char *bubblewrap(const char *path)
{
	for (const char *at = path; *at != 0;) {
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

/* Process 1 inside shows its file as /proc/1/exe. */
void raise_wall(const struct chain *chain)
{
	bwrap = bubblewrap(text_of(chain->own, 8));
	attach(bwrap, bwrap, "", MS_BIND, "");
	attach("none", bwrap, "", MS_BIND | MS_REMOUNT | MS_RDONLY, "");
}

_Noreturn void start_behind_wall(const struct chain *chain)
{
	struct list command = chain->command;
	char **words = allocated((command.count + 7) * sizeof *words), number[2][16], *none[] = {NULL};
	size_t count = 0;
	words[count++] = "bwrap";
	if (chain->filter.length > 0) {
		snprintf(number[0], sizeof number[0], "%d", piped(chain->filter));
		words[count++] = "--seccomp";
		words[count++] = number[0];
	}
	snprintf(number[1], sizeof number[1], "%d", piped(chain->options));
	words[count++] = "--args";
	words[count++] = number[1];
	words[count++] = "--";
	for (size_t i = 0; i < command.count; i++) words[count++] = (char *)text_of(command, i);
	words[count] = NULL;
	execve(bwrap, words, none);
	fail("bwrap", "");
}
