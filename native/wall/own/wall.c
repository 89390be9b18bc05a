/*
 * The wall without bubblewrap, a trial (docs/without-bubblewrap.md): process 1 of the outer namespace, which is the only one
 * then, makes the sandbox around itself, starts what leads to the command, and reaps.
 */
#define _GNU_SOURCE
#include "wall.h"

#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "held.h"
#include "options.h"
#include "places.h"
#include "trees.h"

enum { THE_DESCRIPTOR = 0x1000 };

static struct options options;
/* Our own file: where it is, and a mount of it that is read-only, as process 1 shows it as /proc/1/exe. */
static char path[PATH_MAX];
static int program;

pid_t start_reported(const struct chain *chain, int status)
{
	int ends[2];
	/* Said by the process that still sees the mounts by which it was started. */
	if (readlink("/proc/self/exe", path, sizeof path - 1) < 0 || pipe2(ends, O_CLOEXEC) != 0) return -1;
	pid_t child = start_inside(chain);
	close(ends[child == 0 ? 1 : 0]);
	if (child > 0) dprintf(status, "{ \"child-pid\": %d }\n", child);
	if (child != 0) return child;
	/* From here on we end with the one who waits. Was that already too late, nobody has the other end any more. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct pollfd waiting = {ends[0], 0, 0};
	if (poll(&waiting, 1, 0) != 0) _exit(1);
	close(ends[0]);
	return 0;
}

void report_end(int status, int how)
{
	if (WIFEXITED(how)) dprintf(status, "{ \"exit-code\": %d }\n", WEXITSTATUS(how));
}

static int own_program(void)
{
	struct stat ours, found;
	int tree = copied(path, IS_READ_ONLY | NO_SET_UID | NO_DEVICES);
	if (stat("/proc/self/exe", &ours) != 0 || fstat(tree, &found) != 0) fail("mount: ", path);
	if (ours.st_dev != found.st_dev || ours.st_ino != found.st_ino) senseless();
	return tree;
}

/* The kernel gives it its addresses by itself. */
static void bring_up_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0) fail("unshare: ", "loopback");
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) fail("unshare: ", "loopback");
	close(fd);
}

/* Nothing else of what is mounted stays in sight. `place`: where on the host the root is. */
static void enter(int root, const char *place)
{
	int inside = fcntl(root, F_DUPFD_CLOEXEC, 0), host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	put(root, place);
	if (inside < 0 || host < 0 || fchdir(inside) != 0 || syscall(SYS_pivot_root, ".", ".") != 0) fail("mount: ", "/");
	/* It lies upon the new one. */
	if (fchdir(host) != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) fail("umount: ", "/");
	close(inside);
	close(host);
}

void raise_wall(const struct chain *chain)
{
	options = options_of(chain->options);
	program = own_program();
	int has_network = (options.spaces & CLONE_NEWNET) != 0;
	/* It has been one of its own from the start where /sys shows it. */
	if ((number_at(chain->own, 1) & CLONE_NEWNET) != 0) options.spaces &= ~CLONE_NEWNET;
	if (unshare(options.spaces) != 0) fail("unshare: ", "unshare failed");
	if (has_network) bring_up_loopback();
	if (options.host_name != NULL && sethostname(options.host_name, strlen(options.host_name)) != 0) fail("unshare: ", "host name");
	enter(options.root, text_of(chain->own, 5));
	for (size_t i = 0; i < options.count; i++) make(&options.steps[i]);
	if (chdir(options.directory) != 0) fail("chdir: ", options.directory);
}

/* As whatever a program starts gets them: who ends the command before it is there ends what becomes it. */
static void reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	for (int name = 1; name < NSIG; name++) (void)sigaction(name, &action, NULL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Nothing of what we know stays in memory: another program begins, with no variables, and one descriptor. */
static _Noreturn void become_reaper(pid_t command, int answer)
{
	char number[16], *words[] = {"chrootctl", "reap", number, NULL}, *none[] = {NULL};
	snprintf(number, sizeof number, "%d", command);
	int file = fcntl(program, F_DUPFD_CLOEXEC, AT_FIRST);
	if (file < 0 || dup2(answer, STDIN_FILENO) < 0) fail("stream", "");
	for (int fd = STDIN_FILENO + 1; fd < file; fd++) close(fd);
	close_from((unsigned)file + 1);
	syscall(SYS_execveat, file, "", words, none, THE_DESCRIPTOR);
	_exit(1);
}

_Noreturn void start_behind_wall(const struct chain *chain)
{
	int answer[2];
	char **words = allocated((chain->command.count + 1) * sizeof *words), *none[] = {NULL};
	for (size_t i = 0; i < chain->command.count; i++) words[i] = (char *)text_of(chain->command, i);
	words[chain->command.count] = NULL;
	reset_signals();
	if (pipe2(answer, O_CLOEXEC) != 0) fail("pipe", "");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("setpriv: ", "no_new_privs");
	pid_t command = fork();
	if (command < 0) fail("fork", "");
	hold(command == 0 ? options.capabilities : 0);
	filter_calls(chain->filter);
	if (command > 0) become_reaper(command, answer[1]);
	if (dup2(answer[0], AT_ANSWER) < 0) fail("stream", "");
	execve(words[0], words, none);
	fail("exec: ", words[0]);
}
