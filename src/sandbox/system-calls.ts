/**
 * The system calls that a sandbox refuses, as data: their numbers, what they are refused for, and which capability
 * lifts that. Numbers are from the kernel's own tables (arch/x86/entry/syscalls, scripts/syscall.tbl,
 * arch/arm/tools/syscall.tbl). docs/sandbox.md has the same beside docker's profile.
 */
import type {Capability} from './capabilities.ts';

/** A call's number on x86-64, i386, aarch64 and arm; null where there is none. Since Linux 5.1 all have the same. */
export type Numbers = readonly [x86_64: Entry, i386: Entry, aarch64: Entry, arm: Entry];
type Entry = number | null;

export interface Refusal {
  /** Any one of these lifts it for a command that holds it; none: nothing does, short of no filter at all. */
  liftedBy: readonly Capability[];
  /** EPERM as for want of a capability, or ENOSYS as from a kernel that has no such call. */
  answer: 'EPERM' | 'ENOSYS';
  calls: Readonly<Record<string, Numbers>>;
}

/**
 * The first number that is not known here: calls up to rseq_slice_yield (471) were looked at one by one. Younger ones
 * do not exist inside: a program that may also meet an older kernel goes on without, whatever the call will do.
 */
export const FIRST_UNKNOWN = 472;

/** Calls of which the filter looks at the arguments. */
export const EXAMINED = {
  clone: [56, 120, 220, 120],
  ioctl: [16, 54, 29, 54],
  mknod: [133, 14, null, 14],
  mknodat: [259, 297, 33, 324],
  personality: [135, 136, 92, 136],
  socket: [41, 359, 198, 281],
  /** socket(2), bind(2), … by number, with their arguments in memory: as 32-bit programs of x86 call them. */
  socketcall: [null, 102, null, null],
  unshare: [272, 310, 97, 337],
} satisfies Readonly<Record<string, Numbers>>;

export const REFUSED: readonly Refusal[] = [
  {
    liftedBy: [],
    answer: 'EPERM',
    calls: {
      // Keyrings are kept by uid, in no namespace but that of users: root's inside are root's outside.
      add_key: [248, 286, 217, 309],
      request_key: [249, 287, 218, 310],
      keyctl: [250, 288, 219, 311],
      // Does the work of other calls out of any filter's sight, and is where most holes have been found since it came.
      io_uring_setup: [425, 425, 425, 425],
      io_uring_enter: [426, 426, 426, 426],
      io_uring_register: [427, 427, 427, 427],
      // Holds the kernel up in the middle of a copy for as long as one likes: how races in it are won.
      userfaultfd: [323, 374, 282, 388],
      // Another kernel for the machine, and the machine's memory.
      kexec_load: [246, 283, 104, 347],
      kexec_file_load: [320, null, 294, 401],
      swapon: [167, 87, 224, 87],
      swapoff: [168, 115, 225, 115],
    },
  },
  {
    // What nothing has called for decades. ustat(2) looks into any file system that the machine has mounted.
    liftedBy: [],
    answer: 'ENOSYS',
    calls: {
      bdflush: [null, 134, null, 134],
      lookup_dcookie: [212, 253, 18, 249],
      sysfs: [139, 135, null, 135],
      _sysctl: [156, 149, null, 149],
      uselib: [134, 86, null, 86],
      ustat: [136, 62, null, 62],
      vm86: [null, 166, null, null],
      vm86old: [null, 113, null, null],
    },
  },
  {
    // File systems, namespaces, the names of the machine. The kernel asks for the capability too, but not first everywhere.
    liftedBy: ['SYS_ADMIN'],
    answer: 'EPERM',
    calls: {
      mount: [165, 21, 40, 21],
      umount: [null, 22, null, null],
      umount2: [166, 52, 39, 52],
      pivot_root: [155, 217, 41, 218],
      open_tree: [428, 428, 428, 428],
      move_mount: [429, 429, 429, 429],
      fsopen: [430, 430, 430, 430],
      fsconfig: [431, 431, 431, 431],
      fsmount: [432, 432, 432, 432],
      fspick: [433, 433, 433, 433],
      mount_setattr: [442, 442, 442, 442],
      open_tree_attr: [467, 467, 467, 467],
      setns: [308, 346, 268, 375],
      listns: [470, 470, 470, 470],
      sethostname: [170, 74, 161, 74],
      setdomainname: [171, 121, 162, 121],
      // Limits and use of the host's file systems, also for those who may not change them.
      quotactl: [179, 131, 60, 131],
      quotactl_fd: [443, 443, 443, 443],
      // Since Linux 5.13 for everybody: what others do in files of a file system, with a queue in the kernel.
      fanotify_init: [300, 338, 262, 367],
    },
  },
  {
    // Young, and the same as /proc/self/attr, which libraries read where there is no such call.
    liftedBy: ['SYS_ADMIN'],
    answer: 'ENOSYS',
    calls: {
      lsm_get_self_attr: [459, 459, 459, 459],
      lsm_set_self_attr: [460, 460, 460, 460],
      lsm_list_modules: [461, 461, 461, 461],
    },
  },
  {
    // clone3 keeps its flags in memory, where no filter can look; told that there is none, C libraries take clone.
    liftedBy: ['SYS_ADMIN'],
    answer: 'ENOSYS',
    calls: {clone3: [435, 435, 435, 435]},
  },
  {
    // Opens any inode of a file system, above the root too (the "shocker" escape).
    liftedBy: ['DAC_READ_SEARCH'],
    answer: 'EPERM',
    calls: {open_by_handle_at: [304, 342, 265, 371]},
  },
  {
    // The kernel's log: the machine's, readable by everybody where kernel.dmesg_restrict is 0.
    liftedBy: ['SYSLOG', 'SYS_ADMIN'],
    answer: 'EPERM',
    calls: {syslog: [103, 103, 116, 103]},
  },
  {
    // Programs inside the kernel: without a capability too where kernel.unprivileged_bpf_disabled is 0.
    liftedBy: ['BPF', 'SYS_ADMIN'],
    answer: 'EPERM',
    calls: {bpf: [321, 357, 280, 386]},
  },
  {
    // Counters of the processor and of other processes; much code, many holes.
    liftedBy: ['PERFMON', 'SYS_ADMIN'],
    answer: 'EPERM',
    calls: {perf_event_open: [298, 336, 241, 364]},
  },
  {
    liftedBy: ['SYS_MODULE'],
    answer: 'EPERM',
    calls: {
      init_module: [175, 128, 105, 128],
      finit_module: [313, 350, 273, 379],
      delete_module: [176, 129, 106, 129],
    },
  },
  {
    liftedBy: ['SYS_BOOT'],
    answer: 'EPERM',
    calls: {reboot: [169, 88, 142, 88]},
  },
  {
    // Records the ends of all processes of the pid namespace in a file that it keeps open.
    liftedBy: ['SYS_PACCT'],
    answer: 'EPERM',
    calls: {acct: [163, 51, 89, 51]},
  },
  {
    // Into other processes by ways that debuggers do not take; ptrace(2) and process_vm_readv(2) pass.
    liftedBy: ['SYS_PTRACE'],
    answer: 'EPERM',
    calls: {
      kcmp: [312, 349, 272, 378],
      pidfd_getfd: [438, 438, 438, 438],
      process_madvise: [440, 440, 440, 440],
    },
  },
  {
    // Ports of the hardware.
    liftedBy: ['SYS_RAWIO'],
    answer: 'EPERM',
    calls: {
      iopl: [172, 110, null, null],
      ioperm: [173, 101, null, null],
    },
  },
  {
    // The machine's clock. adjtimex(2), which also reads it, passes: the kernel asks for the capability.
    liftedBy: ['SYS_TIME'],
    answer: 'EPERM',
    calls: {
      settimeofday: [164, 79, 170, 79],
      stime: [null, 25, null, null],
      clock_settime: [227, 264, 112, 262],
      clock_settime64: [null, 404, null, 404],
    },
  },
  {
    liftedBy: ['SYS_TTY_CONFIG'],
    answer: 'EPERM',
    calls: {vhangup: [153, 111, 58, 111]},
  },
  {
    // Moves the memory of other processes between nodes. What a process says of its own memory passes.
    liftedBy: ['SYS_NICE'],
    answer: 'EPERM',
    calls: {migrate_pages: [256, 294, 238, 400]},
  },
];
