/*
 * What takes a static program a fraction of the time that it takes others, or a fraction of their memory: the outer link of
 * the chain that leads to a command (src/sandbox/chain.ts draws it, src/sandbox/outer.ts says what it is told), as a child
 * of chrootctl or in its place; system calls, and a question to the kernel. src/sandbox/outer-program.ts has the
 * first in perl, for places without this program and for what few commands need (terminals of their own, new privileges).
 */
#define _GNU_SOURCE
#include <string.h>

#include "asking.h"
#include "calling.h"
#include "holding.h"
#include "succeeding.h"
#include "succession.h"
#include "waiting.h"
#ifdef OWN_WALL
#include "reaping.h"
#endif

int main(int count, char **words)
{
	if (is_told_by_environment()) return succeed();
	if (count > 2 && strcmp(words[1], "call") == 0) return call(count - 2, words + 2);
	if (count == 6 && strcmp(words[1], "in-use") == 0) return is_upper_in_use(words[2], words[3], words[4], words[5]);
#ifdef OWN_WALL
	if (count == 3 && strcmp(words[1], "reap") == 0) return reap(words[2]);
#else
	/* The trial makes the sandbox around the one that would hold it. */
	if (count == 5 && strcmp(words[1], "hold") == 0) return hold_sandbox(words);
#endif
	return count == 8 ? wait_for_chain(words) : 2;
}
