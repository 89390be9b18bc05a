#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>
#include <sys/types.h>

#include "told.h"

/* What is made inside, in the order in which it is told. */
struct step {
	enum { BIND, PROC, DEV, TMPFS, DIRECTORY, REMOUNT_READ_ONLY } what;
	const char *target;
	/* Of what is bound: taken from the host while that is in sight. */
	int tree;
	mode_t mode;
	/* Bytes, or NULL. */
	const char *size;
};

struct options {
	/* Namespaces, as flags of unshare(2). */
	int spaces;
	const char *host_name, *directory;
	/* A bit each. */
	uint64_t capabilities;
	int root;
	struct step *steps;
	size_t count;
};

/* bwrap(1)'s words, as src/sandbox/enclosure.ts gives them; others are refused. */
struct options options_of(struct part words);

#endif
