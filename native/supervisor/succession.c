/* What chrootctl tells the one that succeeds it (src/sandbox/succession.ts). */
#define _GNU_SOURCE
#include "succession.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int is_told_by_environment(void)
{
	return getenv(TOLD "0") != NULL;
}

static int digit(int character)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *found = character == 0 ? NULL : strchr(digits, character);
	if (found == NULL) senseless();
	return (int)(found - digits);
}

/* base64url (RFC 4648) without padding, in as many variables as it takes. */
static struct part told_by_environment(void)
{
	struct part whole = {NULL, 0};
	size_t size = 0;
	for (char **each = environ; *each != NULL; each++) size += strlen(*each);
	whole.text = allocated(size + 1);
	uint32_t bits = 0;
	int count = 0;
	for (int index = 0;; index++) {
		char name[sizeof TOLD + 16];
		snprintf(name, sizeof name, TOLD "%d", index);
		const char *text = getenv(name);
		if (text == NULL) break;
		for (; *text != 0; text++) {
			bits = bits << 6 | (uint32_t)digit(*text);
			if ((count += 6) < 8) continue;
			count -= 8;
			whole.text[whole.length++] = (char)(bits >> count & 255);
		}
	}
	return whole;
}

struct succession succession_told(void)
{
	struct list parts = list_of(told_by_environment());
	if (parts.count != 6) senseless();
	struct list own = list_of(parts.parts[2]);
	return (struct succession){
		.chain = chain_of(parts.parts[0]),
		.script = parts.parts[1],
		.limit = number_at(own, 0),
		.locked = (mode_t)number_at(own, 1),
		.record = text_of(own, 2),
		.known = text_of(own, 3),
		.codes = list_of(parts.parts[3]),
		.removal = list_of(parts.parts[4]),
		.program = list_of(parts.parts[5]),
	};
}
