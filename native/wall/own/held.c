/* What the command may: capabilities, system calls. */
#define _GNU_SOURCE
#include "held.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In the order of the kernel's numbers (linux/capability.h). */
static const char *const names[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
	"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};

uint64_t capability_of(const char *name)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0) return 1ULL << i;
	senseless();
}

/* capset(2), whose header is the kernel's: its third version, two words a set. */
struct version { uint32_t version; int process; };
struct sets { uint32_t effective, permitted, inheritable; };
enum { THIRD_VERSION = 0x20080522 };

void hold(uint64_t capabilities)
{
	struct version header = {THIRD_VERSION, 0};
	struct sets sets[2];
	if (syscall(SYS_capget, &header, sets) != 0) fail("setpriv: ", "capabilities");
	for (int i = 0; i < 2; i++) {
		uint32_t held = sets[i].permitted & (uint32_t)(capabilities >> 32 * i);
		sets[i] = (struct sets){held, held, held};
	}
	if (syscall(SYS_capset, &header, sets) != 0) fail("setpriv: ", "capabilities");
}

/* struct sock_fprog of the kernel. */
struct program { unsigned short count; const void *instructions; };
enum { INSTRUCTION = 8, MODE_FILTER = 2 };

void filter_calls(struct part filter)
{
	if (filter.length == 0) return;
	struct program program = {(unsigned short)(filter.length / INSTRUCTION), filter.text};
	if (prctl(PR_SET_SECCOMP, MODE_FILTER, &program) != 0) fail("setpriv: ", "seccomp");
}
