#ifndef RELAYING_H
#define RELAYING_H

#include <poll.h>

#include "told.h"

enum { STREAMS = 3, NONE = -1 };

/* Standard input, output and error, by their numbers at the supervisor. */
struct relays {
	/* What the command gets: a stream of ours as it is, or the end of a pipe. Another's where the two share it. */
	int given[STREAMS];
	/* Our ends of the pipes; NONE where there is none, or where all has gone through it. */
	int ours[STREAMS];
	/* errno of what could not be read or written; 0: none. */
	int errors[STREAMS];
	/* The file's position could not be set. */
	int is_lost;
	/* The end that the command reads from: what it has left in the pipe is there. */
	int rest;
	/* Where in the file the input begins, and how much of it is in the pipe, or was. */
	long long start, written;
};

/* Gives whether there are all pipes (src/sandbox/outer.ts says which); errno says why not. */
int make_relays(struct relays *relays, struct list made);
/* The command has its ends. When no other process has one to write to, output is at its end. */
void close_given(struct relays *relays);
void await_relays(const struct relays *relays, struct pollfd ready[STREAMS]);
void relay(struct relays *relays, const struct pollfd ready[STREAMS]);
/* The command has ended: leaves its input where it stopped reading. */
void end_input(struct relays *relays);
/* Whether there is output that may still come. */
int is_relaying(const struct relays *relays);
/* The first stream with which something went wrong, or NONE. */
int failed_stream(const struct relays *relays);

#endif
