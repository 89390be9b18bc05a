#ifndef SUCCESSION_H
#define SUCCESSION_H

#include <sys/types.h>

#include "chain.h"
#include "told.h"

/* The variables that tell of it, without their numbers. */
#define TOLD "CHROOTCTL_TOLD_"

struct succession {
	struct chain chain;
	struct part script;
	/* Milliseconds until the time limit, 0 for none; the mode of a record that is locked for life. */
	long long limit;
	mode_t locked;
	const char *record;
	/* Exit codes to which chrootctl has something to say. */
	struct list codes;
	/* How to remove the clone; nothing where that is chrootctl's. */
	struct list removal;
	/* The words that start chrootctl, and what it is to know. */
	struct list program;
	const char *known;
};

/* Whether it is chrootctl that has become us, and has put what there is to know into our environment. */
int is_told_by_environment(void);
struct succession succession_told(void);

#endif
