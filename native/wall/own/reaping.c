#define _GNU_SOURCE
#include "reaping.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chain.h"

/*
 * The answer that the innermost link waits for comes from here: before it, nothing of the command runs, so that nobody inside
 * has ever seen what process 1 knew of the host.
 */
int reap(const char *command)
{
	pid_t ended;
	int how;
	/* Nobody may be there to hear it: a signal came first. */
	(void)!write(STDIN_FILENO, PROCEED, sizeof PROCEED - 1);
	close(STDIN_FILENO);
	while ((ended = wait(&how)) != atoi(command))
		if (ended < 0 && errno != EINTR) return 1;
	/* As shells have it. */
	return WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
}
