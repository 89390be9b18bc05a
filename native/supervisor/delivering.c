/*
 * Signals on their way to the command (src/sandbox/delivery.ts): those that come before there is one are kept, and
 * those that a terminal sends to it anyway are not sent twice.
 */
#define _GNU_SOURCE
#include "delivering.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wall.h"

static pid_t first_child_of(pid_t parent)
{
	char path[64], text[32];
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return 0;
	ssize_t count = read(fd, text, sizeof text - 1);
	close(fd);
	text[count > 0 ? count : 0] = 0;
	return atoi(text);
}

/* As chain.ts draws it. Nobody can take the place of our child; of the others one might. */
static pid_t command_of(pid_t child)
{
	pid_t at = child;
	for (int i = 0; i < GENERATIONS && at != 0; i++) at = first_child_of(at);
	return at;
}

int deliver(struct signals *signals, pid_t child)
{
	pid_t command = command_of(child);
	if (command == 0) return 0;
	int fd = (int)syscall(SYS_pidfd_open, command, 0);
	if (command_of(child) != command) {
		if (fd >= 0) close(fd);
		return 0;
	}
	for (size_t i = 0; i < signals->count; i++) {
		if (fd >= 0) (void)syscall(SYS_pidfd_send_signal, fd, signals->waiting[i], NULL, 0);
		else (void)kill(command, signals->waiting[i]);
	}
	if (fd >= 0) close(fd);
	signals->count = 0;
	return 1;
}

/* Whether a terminal sends what a key means to all of its foreground group, and so to the command too. */
static int has_terminal(void)
{
	char text[512];
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC), group, session, terminal, foreground;
	ssize_t count = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0) close(fd);
	text[count > 0 ? count : 0] = 0;
	const char *rest = strrchr(text, ')');
	if (rest == NULL || sscanf(rest, ") %*c %*d %d %d %d %d", &group, &session, &terminal, &foreground) != 4) return 0;
	return terminal != 0 && foreground == group;
}

void add_signal(struct signals *signals, int name)
{
	if (signals->count < sizeof signals->waiting / sizeof *signals->waiting) signals->waiting[signals->count++] = name;
}

void take_signal(struct signals *signals, int name)
{
	if (name == SIGCHLD) return;
	if (signals->first == 0) signals->first = name;
	if ((name != SIGINT && name != SIGQUIT) || !has_terminal()) add_signal(signals, name);
}
