/* What our programs have in common: reading what they are told, which is parts, each with its length before it; and saying what goes wrong. */
#define _GNU_SOURCE
#include "told.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int setup = 2, failed = 1;

/* As the C library of Debian calls them: who reads this looks for these words. */
const char *reason(int error)
{
	switch (error) {
	case EBUSY: return "Device or resource busy";
	case EMFILE: return "Too many open files";
	case ENFILE: return "Too many open files in system";
	case ENOMEM: return "Cannot allocate memory";
	case EAGAIN: return "Resource temporarily unavailable";
	case ELOOP: return "Too many levels of symbolic links";
	case EDQUOT: return "Disk quota exceeded";
	case EIO: return "Input/output error";
	case ENAMETOOLONG: return "File name too long";
	default: return strerror(error);
	}
}

_Noreturn void fail(const char *what, const char *about)
{
	dprintf(setup, "%s%s: %s\n", what, about, reason(errno));
	_exit(failed);
}

_Noreturn void senseless(void)
{
	dprintf(setup, "chrootctl: it was told what it cannot read\n");
	_exit(failed);
}

void *allocated(size_t size)
{
	void *room = malloc(size == 0 ? 1 : size);
	if (room == NULL) fail("memory", "");
	return room;
}

uint32_t number32(const char *at)
{
	const unsigned char *byte = (const unsigned char *)at;
	return byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 | (uint32_t)byte[3] << 24;
}

/* Parts, each with its length before it. The zero after a part lies where the next one's length was read. */
struct list list_of(struct part whole)
{
	struct list list = {NULL, 0};
	size_t most = whole.length / 4;
	list.parts = allocated(most * sizeof *list.parts);
	for (size_t at = 0; at < whole.length;) {
		if (whole.length - at < 4) senseless();
		size_t length = number32(whole.text + at);
		whole.text[at] = 0;
		at += 4;
		if (length > whole.length - at) senseless();
		list.parts[list.count++] = (struct part){whole.text + at, length};
		at += length;
	}
	/* Ours: the one who reads has left a byte after the whole. */
	whole.text[whole.length] = 0;
	return list;
}

const char *text_of(struct list list, size_t index)
{
	if (index >= list.count || strlen(list.parts[index].text) != list.parts[index].length) senseless();
	return list.parts[index].text;
}

long long number_of(const char *text)
{
	char *end;
	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != 0) senseless();
	return number;
}

long long number_at(struct list list, size_t index)
{
	return number_of(text_of(list, index));
}

void told(char *into, size_t count)
{
	while (count > 0) {
		ssize_t got = read(STDIN_FILENO, into, count);
		if (got < 0 && errno == EINTR) continue;
		if (got <= 0) _exit(1);
		into += got;
		count -= (size_t)got;
	}
}

struct part told_whole(void)
{
	char length[4];
	told(length, sizeof length);
	struct part whole = {NULL, number32(length)};
	whole.text = allocated(whole.length + 1);
	told(whole.text, whole.length);
	whole.text[whole.length] = 0;
	return whole;
}

void close_from(unsigned first)
{
	if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("descriptors", "");
	for (rlim_t fd = first; fd < limit.rlim_cur; fd++) close((int)fd);
}
