#ifndef PLACES_H
#define PLACES_H

#include "options.h"

/* Makes one thing inside. The root is ours already: no symbolic link in it leads out of it. */
void make(const struct step *step);

#endif
