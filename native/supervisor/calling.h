#ifndef CALLING_H
#define CALLING_H

/* Gives an exit code. `words`: the name of a call, and what it is about. */
int call(int count, char **words);

#endif
