/*
 * The outer link as what chrootctl has become (src/sandbox/succession.ts), by execve(2), with the number and the start by
 * which everybody knows it: it does for a run what chrootctl would do, in a hundredth of the memory. Where there is
 * more to do or to say than that, it becomes chrootctl again.
 */
#define _GNU_SOURCE
#include "succeeding.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chain.h"
#include "delivering.h"
#include "relaying.h"
#include "removal.h"
#include "succession.h"
#include "wall.h"

extern char **environ;

/* src/sandbox/chain.ts */
#define STARTED "chrootctl: started"

/* src/sandbox/signals.ts */
static const int relayed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM};
enum { RELAYED = sizeof relayed / sizeof *relayed, LOOK_AGAIN_MS = 2, GRACE_MS = 10000, NEVER = -1 };

/* What one of the chain's descriptors has said: as much of it as is of interest. */
struct said { int fd; size_t length; char text[32768]; };

struct run {
	/* NONE before there is one, and when it has ended. */
	pid_t child;
	struct relays relays;
	struct said setup, status;
	struct signals signals;
	int answer, report, lifeline, is_open, is_timed_out;
	long long deadline;
	sigset_t before;
};

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (long long)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* In the child: the chain's descriptors at their numbers, and no others. */
static void take_places(struct part script, const int streams[STREAMS], int given, int status, int answer)
{
	const int from[] = {piped(script), given, status, streams[0], streams[1], streams[2], answer};
	static const int to[] = {AT_TOLD, AT_SETUP, AT_STATUS, AT_STDIN, STDOUT_FILENO, AT_STDERR, AT_ANSWER};
	int high[7];
	for (int i = 0; i < 7; i++)
		if ((high[i] = fcntl(from[i], F_DUPFD, AT_FIRST)) < 0) fail("stream", "");
	setup = high[1];
	for (int i = 0; i < 7; i++)
		if (dup2(high[i], to[i]) < 0) fail("stream", "");
	setup = AT_SETUP;
	close_from(AT_FIRST);
}

/* As whatever a program starts gets them. */
static void reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	for (int name = 1; name < NSIG; name++) (void)sigaction(name, &action, NULL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void begin(struct run *run, struct succession *all)
{
	int given[2], status[2], answer[2];
	run->setup.fd = run->status.fd = run->child = NONE;
	if (!make_relays(&run->relays, all->chain.made) || pipe2(given, O_CLOEXEC) != 0 || pipe2(status, O_CLOEXEC) != 0 ||
		pipe2(answer, O_CLOEXEC) != 0) {
		snprintf(run->setup.text, sizeof run->setup.text, "pipe: %s\n", reason(errno));
		close_given(&run->relays);
		return;
	}
	/* Not closed when we become chrootctl: it has the lock then. */
	if ((run->lifeline = open(all->record, O_RDONLY)) >= 0 && flock(run->lifeline, LOCK_EX) == 0)
		(void)fchmod(run->lifeline, all->locked);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd += 2) {
		int flags = run->relays.given[fd] == fd ? fcntl(fd, F_GETFL) : -1;
		if (flags >= 0) (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	}
	run->child = start_reported(&all->chain, status[1]);
	if (run->child == 0) {
		setup = given[1];
		reset_signals();
		(void)setgroups(0, NULL);
		take_places(all->script, run->relays.given, given[1], status[1], answer[0]);
		lead_to_command(&all->chain);
	}
	/* It is read from where the chain says what goes wrong. */
	if (run->child < 0) dprintf(given[1], "unshare: %s\n", reason(errno));
	close_given(&run->relays);
	close(given[1]);
	run->report = reporting(status[1]);
	close(answer[0]);
	run->setup.fd = given[0];
	run->status.fd = status[0];
	run->answer = answer[1];
	(void)fcntl(run->setup.fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(run->status.fd, F_SETFL, O_NONBLOCK);
}

/* What is said beyond that is read, so that nobody waits for us, and forgotten. */
static void hear(struct said *said)
{
	char rest[4096];
	while (said->fd >= 0) {
		size_t room = sizeof said->text - 1 - said->length;
		ssize_t count = room > 0 ? read(said->fd, said->text + said->length, room) : read(said->fd, rest, sizeof rest);
		if (count < 0 && errno == EINTR) continue;
		if (count <= 0) {
			if (count == 0) close(said->fd), said->fd = -1;
			break;
		}
		/* It becomes the value of a variable. */
		for (ssize_t i = 0; room > 0 && i < count; i++, said->length++)
			if (said->text[said->length] == 0) said->text[said->length] = ' ';
	}
}

static void expire(struct run *run)
{
	if (run->is_timed_out) {
		if (run->child > 0) (void)kill(run->child, SIGKILL);
		run->deadline = NEVER;
		return;
	}
	run->is_timed_out = 1;
	run->deadline = now() + GRACE_MS;
	if (run->signals.first == 0) run->signals.first = SIGTERM;
	add_signal(&run->signals, SIGTERM);
	/* A stopped process takes no SIGTERM before it goes on. */
	add_signal(&run->signals, SIGCONT);
}

static void proceed(struct run *run)
{
	if (run->is_open || strstr(run->status.text, "\"child-pid\"") == NULL) return;
	run->is_open = 1;
	(void)!write(run->answer, PROCEED, sizeof PROCEED - 1);
}

/* How long nothing has to be done but what somebody asks for, in milliseconds. */
static int pause_of(struct run *run)
{
	if (run->deadline != NEVER && now() >= run->deadline) expire(run);
	if (run->child > 0 && run->is_open && run->signals.count > 0 && !deliver(&run->signals, run->child)) return LOOK_AGAIN_MS;
	if (run->deadline == NEVER) return NEVER;
	long long left = run->deadline - now();
	return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

/* Gives how our child ended, as waitpid(2) does. What it wrote is where it belongs then, if that is possible. */
static int watch(struct run *run, int signals)
{
	int status = 0;
	for (;;) {
		/* Where there is no child, it has been said why; whoever got its output outside of the sandbox may write on. */
		if (run->child < 0) end_input(&run->relays);
		if (run->child < 0 && !is_relaying(&run->relays)) break;
		struct pollfd ready[3 + STREAMS] = {{signals, POLLIN, 0}, {run->setup.fd, POLLIN, 0}, {run->status.fd, POLLIN, 0}};
		await_relays(&run->relays, ready + 3);
		if (poll(ready, 3 + STREAMS, pause_of(run)) <= 0) continue;
		relay(&run->relays, ready + 3);
		if (ready[1].revents != 0) hear(&run->setup);
		if (ready[2].revents != 0) hear(&run->status);
		proceed(run);
		if (ready[0].revents == 0) continue;
		struct signalfd_siginfo info;
		while (read(signals, &info, sizeof info) == sizeof info) take_signal(&run->signals, (int)info.ssi_signo);
		if (run->child < 0 || waitpid(run->child, &status, WNOHANG) == 0) continue;
		run->child = NONE;
		report_end(run->report, status);
	}
	hear(&run->setup);
	hear(&run->status);
	return status;
}

/* The exit code, where nothing but that is to be told. */
static int plain_code(const struct run *run, const struct succession *all)
{
	const char *found = strstr(run->status.text, "\"exit-code\":");
	if (found == NULL || run->is_timed_out || strstr(run->setup.text, STARTED) == NULL) return -1;
	if (failed_stream(&run->relays) != NONE) return -1;
	int code = atoi(found + sizeof "\"exit-code\":" - 1);
	for (size_t i = 0; i < all->codes.count; i++)
		if (number_at(all->codes, i) == code) return -1;
	return code;
}

static char *variable(const char *name, const char *value)
{
	size_t length = strlen(name) + strlen(value) + 2;
	char *text = allocated(length);
	snprintf(text, length, "%s=%s", name, value);
	return text;
}

/* chrootctl again, for what is left to do and to say. */
static int become_chrootctl(const struct run *run, const struct succession *all, int status)
{
	size_t count = 0, kept = 0;
	while (environ[count] != NULL) count++;
	char **variables = allocated((count + 5) * sizeof *variables), **words, how[64];
	int stream = failed_stream(&run->relays);
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], TOLD, sizeof TOLD - 1) != 0) variables[kept++] = environ[i];
	snprintf(how, sizeof how, "%d %d %d %d %d", run->is_timed_out, run->signals.first, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		stream, stream == NONE ? 0 : run->relays.errors[stream]);
	variables[kept++] = variable("CHROOTCTL_ENDED", all->known);
	variables[kept++] = variable("CHROOTCTL_ENDED_HOW", how);
	variables[kept++] = variable("CHROOTCTL_ENDED_STATUS", run->status.text);
	variables[kept++] = variable("CHROOTCTL_ENDED_SAID", run->setup.text);
	variables[kept] = NULL;
	words = allocated((all->program.count + 1) * sizeof *words);
	/* The first is the file. */
	for (size_t i = 1; i < all->program.count; i++) words[i - 1] = (char *)text_of(all->program, i);
	words[all->program.count - 1] = NULL;
	/* Whoever asks to stop now has what he wants; until chrootctl listens, nobody does. */
	struct sigaction action = {.sa_handler = SIG_IGN};
	for (size_t i = 0; i < RELAYED; i++) (void)sigaction(relayed[i], &action, NULL);
	sigprocmask(SIG_SETMASK, &run->before, NULL);
	execve(text_of(all->program, 0), words, variables);
	dprintf(STDERR_FILENO, "chrootctl: cannot start again to end the run: %s\n  chrootctl gc collects what it leaves\n",
		strerror(errno));
	return 125;
}

int succeed(void)
{
	struct run run = {.deadline = NEVER};
	/* docker's code for "it was not your command that failed". */
	failed = 125;
	sigset_t taken;
	sigemptyset(&taken);
	for (size_t i = 0; i < RELAYED; i++) sigaddset(&taken, relayed[i]);
	sigaddset(&taken, SIGCHLD);
	sigprocmask(SIG_BLOCK, &taken, &run.before);
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &action, NULL);
	/* A file that is as large as one may be here is an error like another. */
	sigaction(SIGXFSZ, &action, NULL);
	prctl(PR_SET_NAME, "chrootctl");
	int signals = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals < 0) fail("signals", "");
	struct succession all = succession_told();
	if (all.program.count < 2) senseless();
	if (all.limit > 0) run.deadline = now() + all.limit;
	begin(&run, &all);
	int status = watch(&run, signals), code = plain_code(&run, &all);
	if (code < 0 || !is_removed(all.removal)) return become_chrootctl(&run, &all, status);
	if (unlink(all.record) != 0 && errno != ENOENT) return become_chrootctl(&run, &all, status);
	return code;
}
