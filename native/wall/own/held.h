#ifndef HELD_H
#define HELD_H

#include <stdint.h>

#include "told.h"

/* The bit of a capability, by its name. */
uint64_t capability_of(const char *name);
/* Permitted, effective and inheritable are at most these from now on; without new privileges no program gets more. */
void hold(uint64_t capabilities);
/* The system call filter, for good; none where it is empty. */
void filter_calls(struct part filter);

#endif
