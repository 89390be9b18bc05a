/*
 * The outer link of the chain that leads to a command (src/sandbox/chain.ts draws it, src/sandbox/outer.ts says what it
 * is told), as a child of chrootctl or in its place. src/sandbox/outer-program.ts has the former in perl, for places
 * without this program and for what few commands need (terminals of their own, new privileges).
 */
#define _GNU_SOURCE
#include "succeeding.h"
#include "waiting.h"

int main(int count, char **words)
{
	if (is_told_by_environment()) return succeed();
	return count == 8 ? wait_for_chain(words) : 2;
}
