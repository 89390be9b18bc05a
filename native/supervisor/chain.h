#ifndef CHAIN_H
#define CHAIN_H

#include <sys/types.h>

#include "told.h"

/* See src/sandbox/outer.ts, in whose order they come. */
struct chain {
	struct list own, made, groups, detach, mounts, directories, files, ulimits, pipes, command;
	struct part filter, options;
};

struct chain chain_of(struct part whole);
/* Process 1 of the outer namespace: gives 0 there, and its number where it is waited for. */
pid_t start_inside(const struct chain *chain);
_Noreturn void lead_to_command(const struct chain *chain);

void close_from(unsigned first);
/* A pipe with all of it inside. Gives the reading end, which what we become inherits. */
int piped(struct part content);

#endif
