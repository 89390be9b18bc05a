#ifndef ENTERING_H
#define ENTERING_H

#include "chain.h"
#include "confining.h"

/* In a process of its own: enters the sandbox that is held, starts the command there, and tells how that ended. */
_Noreturn void lead_inside(const struct chain *chain, int status);

#endif
