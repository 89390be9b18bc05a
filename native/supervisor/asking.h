#ifndef ASKING_H
#define ASKING_H

/* Gives an exit code. `volumes`: where the other paths start. */
int is_upper_in_use(const char *volumes, const char *lower, const char *upper, const char *work);

#endif
