#ifndef HOLDING_H
#define HOLDING_H

/* Descriptors of the process that holds a sandbox: its namespaces, and its root directory. */
enum { HELD_MOUNTS = 3, HELD_NETWORK = 4, HELD_INTERPROCESS = 5, HELD_NAMES = 6, HELD_ROOT = 7, HELD_END = 8 };

/* Gives an exit code. The third word is the mode of a file that has been locked, in octal digits; the fourth is for others to read. */
int hold_sandbox(char **words);

#endif
