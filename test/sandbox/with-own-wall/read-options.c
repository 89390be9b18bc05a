/* Reads the options of a sandbox as process 1 does, opens what is bound, and does nothing else. */
#include "options.h"

int main(void)
{
	(void)options_of(told_whole());
	return 0;
}
