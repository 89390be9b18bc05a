/*
 * The outer link as a child of chrootctl: it is told on its standard input, dies with its parent, and waits. What went
 * wrong, how it ended and what it took its parent hears from descriptors that were given for it.
 */
#define _GNU_SOURCE
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chain.h"
#include "entering.h"
#include "wall.h"

static void moved(int from, int to)
{
	if (dup2(from, to) != to) fail("stream", "");
}

static void swap(int one, int other, int spare)
{
	if (one == other) return;
	moved(one, spare);
	moved(other, one);
	moved(spare, other);
}

static void make_pipes(struct list made)
{
	for (size_t i = 0; i < made.count; i++) {
		struct made_pipe one = made_pipe_at(made, i);
		int ends[2];
		if (one.end == SHARED) {
			if (dup2(one.shared_with, one.number) != one.number) fail("pipe", "");
			continue;
		}
		if (pipe(ends) != 0 || dup2(ends[one.end == READING ? 0 : 1], one.number) != one.number) fail("pipe", "");
		close(ends[0]);
		close(ends[1]);
	}
}

static void ignored(int name) { (void)name; }

/* Tells what all of it took: user and system time, each in seconds and microseconds, memory, bytes written. */
static void report(int status, int io)
{
	struct rusage usage;
	char text[1024] = "", written[32] = "-", *found;
	if (getrusage(RUSAGE_CHILDREN, &usage) != 0) return;
	ssize_t length = read(io, text, sizeof text - 1);
	text[length > 0 ? length : 0] = 0;
	if ((found = strstr(text, "\nwrite_bytes: ")) != NULL) sscanf(found, "\nwrite_bytes: %30[0-9]", written);
	dprintf(status, "usage %lld %lld %lld %lld %ld %s\n", (long long)usage.ru_utime.tv_sec,
		(long long)usage.ru_utime.tv_usec, (long long)usage.ru_stime.tv_sec, (long long)usage.ru_stime.tv_usec,
		usage.ru_maxrss, written);
}

int wait_for_chain(char **words)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setup = atoi(words[2]);
	int at_told = atoi(words[1]), status = atoi(words[3]), streams[2] = {atoi(words[4]), atoi(words[5])};
	int first = atoi(words[6]), spare = first + 1;
	mode_t locked = (mode_t)strtoul(words[7], NULL, 8);
	swap(STDIN_FILENO, at_told, spare);
	swap(STDERR_FILENO, setup, spare);
	setup = STDERR_FILENO;
	close(spare);

	struct chain chain = chain_of(told_whole());
	int measured = number_at(chain.own, 6) != 0, io = -1;
	if (getppid() != number_at(chain.own, 0)) return 1;
	(void)setgroups(0, NULL);
	if (number_at(chain.own, 7) != 0) lock_for_life(first, locked);
	close_from((unsigned)first);
	make_pipes(chain.made);
	if (chain.made.count > 0) {
		char answer;
		dprintf(setup, "chrootctl: pipes\n");
		told(&answer, 1);
	}
	for (int i = 0; i < 2; i++) {
		int flags = fcntl(streams[i], F_GETFL);
		if (flags < 0) fail("stream", "");
		(void)fcntl(streams[i], F_SETFL, flags & ~O_NONBLOCK);
	}
	static const int kept[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_handler = ignored};
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) sigaction(kept[i], &action, NULL);
	if (measured) io = open("/proc/self/io", O_RDONLY | O_CLOEXEC);

	int enters = chain.entrance.length != 0;
	pid_t child = enters ? fork() : start_reported(&chain, status);
	if (child < 0) fail(enters ? "fork" : "unshare", "");
	if (child == 0) {
		if (io >= 0) close(io);
		if (enters) lead_inside(&chain, status);
		lead_to_command(&chain);
	}
	int how = 0;
	while (waitpid(child, &how, 0) < 0 && errno == EINTR) continue;
	if (!enters) report_end(status, how);
	if (measured) report(status, io);
	return 0;
}
