/*
 * Between files of the host and the pipes that the command has in their places, as src/sandbox/relay.ts does it
 * (src/sandbox/streams.ts says why). Each step reads or writes a pipe only when poll(2) says that it waits for nothing: a
 * pipe that nobody empties keeps nobody from his signals, from his time limit or from the other streams.
 */
#define _GNU_SOURCE
#include "relaying.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "chain.h"

/* As much as a pipe holds. */
enum { CHUNK = 65536 };

/* What was read of the input and has not found room in the pipe yet. */
static struct { char text[CHUNK]; size_t at, length; } input;

static void close_end(int *end)
{
	if (*end >= 0) close(*end);
	*end = NONE;
}

/* By its number in the chain. */
static int stream_of(int number)
{
	return number == AT_STDIN ? STDIN_FILENO : number == AT_STDERR ? STDERR_FILENO : STDOUT_FILENO;
}

/* Nothing of it is inherited but by dup2(2); our end never waits. */
static int make_pipe(struct relays *relays, int stream)
{
	int ends[2], is_input = stream == STDIN_FILENO;
	if (pipe2(ends, O_CLOEXEC) != 0) return 0;
	relays->ours[stream] = ends[is_input ? 1 : 0];
	relays->given[stream] = ends[is_input ? 0 : 1];
	return fcntl(relays->ours[stream], F_SETFL, O_NONBLOCK) == 0;
}

int make_relays(struct relays *relays, struct list made)
{
	off_t start = lseek(STDIN_FILENO, 0, SEEK_CUR);
	*relays = (struct relays){.given = {0, 1, 2}, .ours = {NONE, NONE, NONE}, .rest = NONE, .start = start < 0 ? 0 : start};
	for (size_t i = 0; i < made.count; i++) {
		struct made_pipe pipe = made_pipe_at(made, i);
		int stream = stream_of(pipe.number);
		/* Each once; and no file is shared. */
		int is_shared = pipe.end == SHARED, is_file = is_shared && relays->given[stream_of(pipe.shared_with)] <= STDERR_FILENO;
		if (relays->given[stream] != stream || is_file) senseless();
		if (is_shared) relays->given[stream] = relays->given[stream_of(pipe.shared_with)];
		else if (!make_pipe(relays, stream)) return 0;
	}
	return 1;
}

void close_given(struct relays *relays)
{
	int *given = relays->given;
	if (given[STDIN_FILENO] > STDERR_FILENO) relays->rest = given[STDIN_FILENO];
	if (given[STDERR_FILENO] > STDERR_FILENO && given[STDERR_FILENO] != given[STDOUT_FILENO]) close(given[STDERR_FILENO]);
	if (given[STDOUT_FILENO] > STDERR_FILENO) close(given[STDOUT_FILENO]);
	for (int stream = 0; stream < STREAMS; stream++) given[stream] = NONE;
}

/* Read at a position of our own, the file's is where it was; it is moved by what the command has taken. */
static void feed(struct relays *relays)
{
	int *pipe = &relays->ours[STDIN_FILENO], *error = &relays->errors[STDIN_FILENO];
	if (input.at == input.length) {
		ssize_t count = pread(STDIN_FILENO, input.text, sizeof input.text, relays->start + relays->written);
		if (count < 0 && errno == EINTR) return;
		if (count < 0) *error = errno;
		if (count <= 0) {
			close_end(pipe);
			return;
		}
		input.at = 0;
		input.length = (size_t)count;
	}
	ssize_t count = write(*pipe, input.text + input.at, input.length - input.at);
	if (count >= 0) {
		input.at += (size_t)count;
		relays->written += count;
	} else if (errno != EAGAIN && errno != EINTR) {
		*error = errno;
		close_end(pipe);
	}
}

/* Gives 0 or errno. */
static int written(int file, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t count = write(file, text, length);
		if (count < 0 && errno == EINTR) continue;
		if (count <= 0) return count < 0 ? errno : EIO;
		text += count;
		length -= (size_t)count;
	}
	return 0;
}

static void drain(struct relays *relays, int stream)
{
	static char text[CHUNK];
	ssize_t count = read(relays->ours[stream], text, sizeof text);
	if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
	/* It cannot be read where the command has put there what cannot be (splice(2)). */
	relays->errors[stream] = count < 0 ? errno : written(stream, text, (size_t)count);
	/* Where that is before its end, the command is told by SIGPIPE. */
	if (count <= 0 || relays->errors[stream] != 0) close_end(&relays->ours[stream]);
}

/* poll(2) leaves out what is no descriptor. */
void await_relays(const struct relays *relays, struct pollfd ready[STREAMS])
{
	for (int stream = 0; stream < STREAMS; stream++)
		ready[stream] = (struct pollfd){relays->ours[stream], stream == STDIN_FILENO ? POLLOUT : POLLIN, 0};
}

void relay(struct relays *relays, const struct pollfd ready[STREAMS])
{
	for (int stream = 0; stream < STREAMS; stream++) {
		if (ready[stream].revents == 0 || relays->ours[stream] < 0) continue;
		if (stream == STDIN_FILENO) feed(relays);
		else drain(relays, stream);
	}
}

void end_input(struct relays *relays)
{
	int left = 0;
	if (relays->rest < 0) return;
	int is_known = ioctl(relays->rest, FIONREAD, &left) == 0;
	long long taken = relays->written - left;
	close_end(&relays->ours[STDIN_FILENO]);
	close_end(&relays->rest);
	if (relays->errors[STDIN_FILENO] != 0 || (is_known && taken <= 0)) return;
	/* Whoever reads the file next goes on where the command stopped. */
	relays->is_lost = !is_known || lseek(STDIN_FILENO, taken, SEEK_CUR) < 0;
}

int is_relaying(const struct relays *relays)
{
	return relays->ours[STDOUT_FILENO] >= 0 || relays->ours[STDERR_FILENO] >= 0;
}

int failed_stream(const struct relays *relays)
{
	for (int stream = 0; stream < STREAMS; stream++)
		if (relays->errors[stream] != 0 || (stream == STDIN_FILENO && relays->is_lost)) return stream;
	return NONE;
}
