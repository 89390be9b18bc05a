#ifndef CONFINING_H
#define CONFINING_H

#include <sys/types.h>

#include "told.h"

struct confinement {
	uid_t user;
	gid_t group;
	/* Whether `kept` are all capabilities that it can ever have. */
	int is_bound;
	struct list groups, kept;
	/* As execve(2) takes them; `count` words. */
	char **variables, **words;
	size_t count;
};

struct confinement confinement_of(struct part whole);
/* All capabilities but these are out of reach for good, whatever program is started. */
void bound(struct list kept);
/* These alone are held, as bwrap(1) has it with --cap-add. */
void hold_only(struct list held);
/* Nothing is inherited by programs that are no root's. */
void inherit_none(void);
void become_user(const struct confinement *to);
_Noreturn void start_command(const struct confinement *of);

#endif
