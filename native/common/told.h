#ifndef TOLD_H
#define TOLD_H

#include <stddef.h>
#include <stdint.h>

/* A part of what we are told: its bytes, and a zero after them that belongs to us. */
struct part { char *text; size_t length; };
struct list { struct part *parts; size_t count; };

/* The descriptor on which is said what goes wrong before the command runs, and the exit code that comes of it. */
extern int setup, failed;

const char *reason(int error);
_Noreturn void fail(const char *what, const char *about);
/* It is nothing that chrootctl would have told us. */
_Noreturn void senseless(void);
void *allocated(size_t size);

uint32_t number32(const char *at);
/* What comes next on standard input, all of it; ends us where nobody is there any more to say it. */
void told(char *into, size_t count);
/* The same, with its length before it. */
struct part told_whole(void);
/* The parts of a part, after whose bytes there is one more that is ours. */
struct list list_of(struct part whole);
const char *text_of(struct list list, size_t index);
long long number_of(const char *text);
long long number_at(struct list list, size_t index);

void close_from(unsigned first);

#endif
