#ifndef SUCCEEDING_H
#define SUCCEEDING_H

/* What there is to know is in our environment (succession.h). Gives an exit code. */
int succeed(void);

#endif
