#ifndef HOLDING_H
#define HOLDING_H

/* Descriptors of the process that holds a sandbox: its namespaces, and its root directory. */
enum { HELD_MOUNTS = 3, HELD_NETWORK = 4, HELD_INTERPROCESS = 5, HELD_NAMES = 6, HELD_ROOT = 7, HELD_END = 8 };

/*
 * Gives an exit code. After the first two words: the mode of a file that has been locked, in octal digits; flags of mount(2) by
 * which the root is mounted again, 0 for not; and a word for others to read.
 */
int hold_sandbox(char **words);

#endif
