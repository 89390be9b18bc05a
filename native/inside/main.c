/*
 * The innermost link of the chain that leads to a command (src/sandbox/chain.ts), inside the root: says that its turn has
 * come and waits for the answer, takes the command's own streams, becomes the command's user with what that may, and the
 * command. src/sandbox/inside.ts says what it is told; src/sandbox/confinement.ts has the same for a shell, for places
 * without this program. Or it is the first inside a sandbox that is held (native/supervisor/holding.c): says which process it
 * is, so that what it is in can be taken hold of, and waits to be ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confining.h"
#include "told.h"

/* Numbers of descriptors, and what is said (src/sandbox/chain.ts). */
enum { AT_SETUP = 2, AT_STDIN = 4, AT_STDERR = 5, AT_ANSWER = 6, OWN = 3 };
#define STARTED "chrootctl: started\n"

enum { NOT_CONFINED = 125 };

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

static _Noreturn void stand_by(void)
{
	dprintf(STDOUT_FILENO, "%d\n", getpid());
	for (;;) pause();
}

int main(int count, char **words)
{
	if (count == 2 && strcmp(words[1], "stand-by") == 0) stand_by();
	struct confinement command = confinement_of(told_whole());
	await_answer();
	take_streams();
	/* What goes wrong from here on is told where the command's own complaints go. */
	failed = NOT_CONFINED;
	umask(022);
	if (command.is_bound) bound(command.kept);
	inherit_none();
	become_user(&command);
	start_command(&command);
}
