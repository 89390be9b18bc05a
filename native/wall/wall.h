#ifndef WALL_H
#define WALL_H

#include <sys/types.h>
#include <unistd.h>

#include "chain.h"

/*
 * What shuts the command in. The build chooses: bubblewrap does (bubblewrap/), or the supervisor itself (own/, a trial:
 * docs/without-bubblewrap.md).
 */

/* What needs more open files than the command may have comes first. */
void raise_wall(const struct chain *chain);
_Noreturn void start_behind_wall(const struct chain *chain);

/* How many generations below process 1 of the outer namespace the command is; and what is reported on the descriptor for it. */
#ifdef OWN_WALL
enum { GENERATIONS = 1 };
/* As start_inside. */
pid_t start_reported(const struct chain *chain, int status);
/* `how` as waitpid(2) gives it. */
void report_end(int status, int how);
/* Where the one who waits reports, if he does: negative when he has closed it. */
static inline int reporting(int status) { return status; }
#else
enum { GENERATIONS = 2 };
/* bwrap reports by itself. */
static inline pid_t start_reported(const struct chain *chain, int status) { return (void)status, start_inside(chain); }
static inline void report_end(int status, int how) { (void)status, (void)how; }
static inline int reporting(int status) { return close(status), -1; }
#endif

#endif
