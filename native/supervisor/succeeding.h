#ifndef SUCCEEDING_H
#define SUCCEEDING_H

/* Whether it is chrootctl that has become us, and has put what there is to know into our environment. */
int is_told_by_environment(void);
/* Gives an exit code. */
int succeed(void);

#endif
