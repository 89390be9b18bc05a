#ifndef CHAIN_H
#define CHAIN_H

#include <sys/types.h>

#include "told.h"

/* Numbers of descriptors (src/sandbox/chain.ts). */
enum { AT_TOLD = 0, AT_SETUP = 2, AT_STATUS = 3, AT_STDIN = 4, AT_STDERR = 5, AT_ANSWER = 6, AT_FIRST = 7 };

/* The answer that the innermost link waits for. */
#define PROCEED "proceed\n"

/* See src/sandbox/outer.ts, in whose order they come. */
struct chain {
	struct list own, made, groups, detach, mounts, directories, files, ulimits, pipes, command;
	/* `entrance`: of a sandbox that is held; empty where one is made. */
	struct part filter, options, entrance;
};

/* A pipe in the place of a file: the number of the command's end, which of the two it is, or with which number it shares it. */
struct made_pipe { int number; enum { READING, WRITING, SHARED } end; int shared_with; };

struct chain chain_of(struct part whole);
struct made_pipe made_pipe_at(struct list made, size_t index);
/* Process 1 of the outer namespace: gives 0 there, and its number where it is waited for. */
pid_t start_inside(const struct chain *chain);
_Noreturn void lead_to_command(const struct chain *chain);

void join_groups(struct list groups);
/* What the sandbox stands on. */
void make_root(const struct chain *chain);
void limit(struct list ulimits);
/* Waits for the lock on a file, and says so by its mode (src/system/life.ts). */
void lock_for_life(int fd, mode_t mode);

/* A pipe with all of it inside. Gives the reading end, which what we become inherits. */
int piped(struct part content);
/* mount(2); what goes wrong ends us. */
void attach(const char *source, const char *target, const char *type, unsigned long flags, const char *data);

#endif
