/* Reads what src/sandbox/enclosure.ts says in bwrap(1)'s words, each with a zero after it. Bound is what is there now. */
#define _GNU_SOURCE
#include "options.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "held.h"
#include "trees.h"

struct reader { const char *at, *end; mode_t mode; const char *size; };

static const char *next(struct reader *reader)
{
	const char *word = reader->at;
	const char *zero = word < reader->end ? memchr(word, 0, (size_t)(reader->end - word)) : NULL;
	if (zero == NULL) senseless();
	reader->at = zero + 1;
	return word;
}

static struct step *added(struct options *options, int what, const char *target)
{
	struct step *step = &options->steps[options->count++];
	*step = (struct step){.target = target, .tree = -1, .mode = 0755};
	step->what = what;
	return step;
}

static void bind(struct options *options, const char *source, const char *target, unsigned forbidden)
{
	int tree = copied(source, forbidden | NO_SET_UID);
	if (strcmp(target, "/") == 0) options->root = tree;
	else added(options, BIND, target)->tree = tree;
}

/* With what bwrap puts there: devices, and the terminal that is standard output. */
static void add_devices(struct options *options, const char *target)
{
	static const char *const places[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};
	if (strcmp(target, "/dev") != 0) senseless();
	added(options, DEV, target);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) bind(options, places[i], places[i], 0);
	const char *terminal = isatty(STDOUT_FILENO) ? ttyname(STDOUT_FILENO) : NULL;
	if (terminal != NULL) bind(options, terminal, "/dev/console", 0);
}

static void take_modifiers(struct reader *reader, struct step *step)
{
	if (reader->mode != (mode_t)-1) step->mode = reader->mode;
	step->size = reader->size;
	reader->mode = (mode_t)-1;
	reader->size = NULL;
}

static mode_t mode_of(const char *digits)
{
	char *end;
	unsigned long mode = strtoul(digits, &end, 8);
	if (*digits == 0 || *end != 0 || mode > 07777) senseless();
	return (mode_t)mode;
}

static void take(struct options *options, struct reader *reader, const char *word)
{
	static const struct { const char *word; int space; } spaces[] = {
		{"--unshare-ipc", CLONE_NEWIPC}, {"--unshare-uts", CLONE_NEWUTS}, {"--unshare-net", CLONE_NEWNET},
		/* They are ours in any case. */
		{"--unshare-pid", 0}, {"--die-with-parent", 0},
	};
	static const struct { const char *word; unsigned forbidden; } binds[] = {
		{"--bind", NO_DEVICES}, {"--ro-bind", NO_DEVICES | IS_READ_ONLY}, {"--dev-bind", 0},
	};
	for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
		if (strcmp(word, spaces[i].word) == 0) {
			options->spaces |= spaces[i].space;
			return;
		}
	const char *first = next(reader);
	for (size_t i = 0; i < sizeof binds / sizeof *binds; i++)
		if (strcmp(word, binds[i].word) == 0) {
			bind(options, first, next(reader), binds[i].forbidden);
			return;
		}
	if (strcmp(word, "--hostname") == 0) options->host_name = first;
	else if (strcmp(word, "--proc") == 0) added(options, PROC, first);
	else if (strcmp(word, "--dev") == 0) add_devices(options, first);
	else if (strcmp(word, "--tmpfs") == 0) take_modifiers(reader, added(options, TMPFS, first));
	else if (strcmp(word, "--dir") == 0) take_modifiers(reader, added(options, DIRECTORY, first));
	else if (strcmp(word, "--remount-ro") == 0) added(options, REMOUNT_READ_ONLY, first);
	else if (strcmp(word, "--perms") == 0) reader->mode = mode_of(first);
	else if (strcmp(word, "--size") == 0) reader->size = number_of(first) > 0 ? first : NULL;
	else if (strcmp(word, "--cap-drop") == 0 && strcmp(first, "ALL") == 0) options->capabilities = 0;
	else if (strcmp(word, "--cap-add") == 0) options->capabilities |= capability_of(first);
	else if (strcmp(word, "--chdir") == 0) options->directory = first;
	/* It is the chain's own number. */
	else if (strcmp(word, "--json-status-fd") != 0) senseless();
}

struct options options_of(struct part words)
{
	struct options options = {.directory = "/", .root = -1};
	struct reader reader = {words.text, words.text + words.length, (mode_t)-1, NULL};
	/* The two words of --dev are eight steps, no others as many. */
	size_t most = 0;
	for (size_t i = 0; i < words.length; i++) most += words.text[i] == 0 ? 4 : 0;
	options.steps = allocated(most * sizeof *options.steps);
	while (reader.at < reader.end) take(&options, &reader, next(&reader));
	if (options.root < 0) senseless();
	return options;
}
