#ifndef WAITING_H
#define WAITING_H

/* Its words, after the program's name: TOLD SETUP STATUS STDIN STDERR FIRST, descriptors by their numbers, and LOCKED, a mode. */
int wait_for_chain(char **words);

#endif
