#ifndef DELIVERING_H
#define DELIVERING_H

#include <stddef.h>
#include <sys/types.h>

/* The first of all that came, and those that wait for there to be a command. */
struct signals { int first, waiting[64]; size_t count; };

/* One came for us; SIGCHLD is not the command's. */
void take_signal(struct signals *signals, int name);
/* For the command, whoever came for it. */
void add_signal(struct signals *signals, int name);
/* Sends what waits. Gives whether there is a command, below the child that leads to it, to send it to. */
int deliver(struct signals *signals, pid_t child);

#endif
