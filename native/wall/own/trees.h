#ifndef TREES_H
#define TREES_H

/* What a mount forbids, whatever is in it. */
enum { IS_READ_ONLY = 1, NO_SET_UID = 2, NO_DEVICES = 4 };

/*
 * All that is mounted at a place, and below it, once more: mounted nowhere yet, and with what it forbids from the start. Gives
 * a descriptor.
 */
int copied(const char *source, unsigned forbidden);
/* The one mount that is at a place now forbids this too. */
void forbid(const char *target, unsigned forbidden);
/* Mounts it, and gives up the descriptor. */
void put(int tree, const char *target);
int is_directory(int tree);

#endif
