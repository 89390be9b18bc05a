/**
 * The system call filter of a sandbox (seccomp(2)): a short list of calls that reach past namespaces and
 * capabilities, refused with EPERM, in classic BPF (Documentation/userspace-api/seccomp_filter.rst). Everything
 * else passes: the namespaces and the capability set are the wall, this closes known doors in it.
 *
 * x86-64 (with i386 and x32) and aarch64 (with arm) are covered. On another processor there is no filter.
 */

interface Architecture {
  /** AUDIT_ARCH_* (linux/audit.h), which is what the kernel puts into seccomp_data.arch. */
  audit: number;
  /** Call numbers, from the kernel's tables (arch/x86/entry/syscalls, asm-generic/unistd.h, arch/arm/tools). */
  refused: Partial<Record<RefusedCall, number>>;
  ioctl: number;
  clone: number;
  unshare: number;
}

/**
 * keyctl and its kin: keyrings know no namespaces. bpf, perf_event_open: kernel memory and other processes' counters.
 * kexec, modules: the machine's own kernel. open_by_handle_at: opens any inode of a file system, above the root
 * too (the "shocker" escape). userfaultfd: the usual tool to win kernel races. mount(2) and the like need no line
 * here: without CAP_SYS_ADMIN they fail by themselves, and a user namespace, which would give it, is refused below.
 */
type RefusedCall =
  | 'add_key'
  | 'bpf'
  | 'delete_module'
  | 'finit_module'
  | 'init_module'
  | 'kexec_file_load'
  | 'kexec_load'
  | 'keyctl'
  | 'open_by_handle_at'
  | 'perf_event_open'
  | 'request_key'
  | 'userfaultfd';

const X86_64: Architecture = {
  audit: 0xc000003e,
  ioctl: 16,
  clone: 56,
  unshare: 272,
  refused: {
    init_module: 175,
    delete_module: 176,
    kexec_load: 246,
    add_key: 248,
    request_key: 249,
    keyctl: 250,
    perf_event_open: 298,
    open_by_handle_at: 304,
    finit_module: 313,
    kexec_file_load: 320,
    bpf: 321,
    userfaultfd: 323,
  },
};

const I386: Architecture = {
  audit: 0x40000003,
  ioctl: 54,
  clone: 120,
  unshare: 310,
  refused: {
    init_module: 128,
    delete_module: 129,
    kexec_load: 283,
    add_key: 286,
    request_key: 287,
    keyctl: 288,
    perf_event_open: 336,
    open_by_handle_at: 342,
    finit_module: 350,
    bpf: 357,
    userfaultfd: 374,
  },
};

const AARCH64: Architecture = {
  audit: 0xc00000b7,
  ioctl: 29,
  clone: 220,
  unshare: 97,
  refused: {
    kexec_load: 104,
    init_module: 105,
    delete_module: 106,
    add_key: 217,
    request_key: 218,
    keyctl: 219,
    perf_event_open: 241,
    open_by_handle_at: 265,
    finit_module: 273,
    bpf: 280,
    userfaultfd: 282,
    kexec_file_load: 294,
  },
};

const ARM: Architecture = {
  audit: 0x40000028,
  ioctl: 54,
  clone: 120,
  unshare: 337,
  refused: {
    init_module: 128,
    delete_module: 129,
    add_key: 309,
    request_key: 310,
    keyctl: 311,
    kexec_load: 347,
    perf_event_open: 364,
    open_by_handle_at: 371,
    finit_module: 379,
    bpf: 386,
    userfaultfd: 388,
    kexec_file_load: 401,
  },
};

const FAMILIES: Partial<Record<string, readonly Architecture[]>> = {
  x64: [X86_64, I386],
  arm64: [AARCH64, ARM],
};

/** x32 calls are x86-64 calls with this bit (asm/unistd.h); no Debian kernel serves them since long. */
const X32_BIT = 0x40000000;

/** Typing into the caller's terminal, with a character and with the virtual console's paste (CVE-2017-5226 and kin). */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

/** The same number on every architecture, as for all calls since Linux 5.1. */
const CLONE3 = 435;
const CLONE_NEWUSER = 0x10000000;

const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER_EQUAL = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_ANY_BIT = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

const ALLOW: Instruction = [RETURN, 0, 0, 0x7fff0000];
const REFUSE: Instruction = [RETURN, 0, 0, 0x00050001]; // SECCOMP_RET_ERRNO | EPERM
const UNKNOWN: Instruction = [RETURN, 0, 0, 0x00050026]; // SECCOMP_RET_ERRNO | ENOSYS

/** Offsets in struct seccomp_data: nr, arch, the low words of args[0] and args[1] (all here are little-endian). */
const NUMBER = 0;
const ARCH = 4;
const FIRST_ARGUMENT = 16;
const SECOND_ARGUMENT = 24;

export interface FilterOptions {
  /** For a command that holds CAP_SYS_ADMIN anyway. */
  userNamespaces?: boolean;
  /** As process.arch names it. */
  architecture?: string;
}

/** The filter as bwrap(1) --seccomp wants it, an array of struct sock_filter; undefined where there is none. */
export function seccompFilter(options: FilterOptions = {}): Buffer | undefined {
  const family = FAMILIES[options.architecture ?? process.arch];
  if (family === undefined) return undefined;
  const program: Instruction[] = [[LOAD_WORD, 0, 0, ARCH]];
  for (const each of family) {
    const block = filterOf(each, options.userNamespaces ?? false);
    // Jumps over a whole block fit into the eight bits that a conditional jump has.
    program.push([JUMP_EQUAL, 0, block.length, each.audit], ...block);
  }
  // A personality that is not in the tables: refuse all it does.
  program.push(REFUSE);
  return encode(program);
}

function filterOf(
  {audit, refused, ioctl, clone, unshare}: Architecture,
  userNamespaces: boolean,
): Instruction[] {
  return [
    [LOAD_WORD, 0, 0, NUMBER],
    ...(audit === X86_64.audit ? ([[JUMP_GREATER_EQUAL, 0, 1, X32_BIT], REFUSE] as const) : []),
    ...Object.values(refused).flatMap((call): Instruction[] => [[JUMP_EQUAL, 0, 1, call], REFUSE]),
    ...(userNamespaces ? [] : withoutUserNamespaces(clone, unshare)),
    [JUMP_EQUAL, 0, 5, ioctl],
    [LOAD_WORD, 0, 0, SECOND_ARGUMENT],
    [JUMP_EQUAL, 1, 0, TIOCSTI],
    [JUMP_EQUAL, 0, 1, TIOCLINUX],
    REFUSE,
    ALLOW,
    ALLOW,
  ];
}

/**
 * Inside a user namespace of its own any process is root and may mount: the kernel's largest surface. clone3 keeps
 * its flags in memory, where no filter can look; told that there is no such call, the C library takes clone.
 */
function withoutUserNamespaces(clone: number, unshare: number): Instruction[] {
  return [
    [JUMP_EQUAL, 0, 1, CLONE3],
    UNKNOWN,
    [JUMP_EQUAL, 1, 0, clone],
    [JUMP_EQUAL, 0, 4, unshare],
    [LOAD_WORD, 0, 0, FIRST_ARGUMENT],
    [JUMP_ANY_BIT, 0, 1, CLONE_NEWUSER],
    REFUSE,
    ALLOW,
  ];
}

/** struct sock_filter {u16 code; u8 jt; u8 jf; u32 k}. */
function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(ifTrue, index * 8 + 2);
    bytes.writeUInt8(ifFalse, index * 8 + 3);
    bytes.writeUInt32LE(operand, index * 8 + 4);
  }
  return bytes;
}
