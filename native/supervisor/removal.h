#ifndef REMOVAL_H
#define REMOVAL_H

#include "told.h"

/*
 * Whether a volume is gone now. `removal`: the directory of the volumes; there the name of the volume's, and the one
 * that it gets; the names of what may be in it, the record as the last; how many entries to delete at most; a file, or
 * nothing, and its number and time of change, of which nothing more happens when they are others.
 */
int is_removed(struct list removal);

#endif
