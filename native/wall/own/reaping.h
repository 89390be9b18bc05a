#ifndef REAPING_H
#define REAPING_H

/* Process 1 inside, when it has forgotten everything else. `command`: the number of its child. Gives the exit code of that. */
int reap(const char *command);

#endif
