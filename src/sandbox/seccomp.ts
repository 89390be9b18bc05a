/**
 * The system call filter of a sandbox (seccomp(2)). It refuses what reaches past namespaces and capabilities, and what
 * nothing in a root needs but those who look for holes in the kernel. Everything else passes: the namespaces and the
 * capability set are the wall, this closes known doors in it.
 *
 * x86-64 (with i386 and x32) and aarch64 (with arm) are covered. On another processor there is no filter.
 */
import {
  assemble,
  PASS,
  REFUSE,
  refuseAllBut,
  refuseBits,
  refuseValues,
  type Actions,
  type Program,
  type Span,
} from './bpf.ts';
import type {Capability} from './capabilities.ts';
import {EXAMINED, FIRST_UNKNOWN, REFUSED} from './system-calls.ts';

export interface FilterOptions {
  /** What the command holds: a capability lifts the refusal of the calls that it is for. */
  capabilities: readonly Capability[];
  network: 'host' | 'none';
  /** The root's own programs are 32-bit ones; see `i386Sockets`. */
  is32BitRoot?: boolean;
  /** Nodes are made of ordinary devices alone; see `NODES`. */
  ordinaryDevices?: boolean;
  /** As process.arch names it. */
  processor?: string;
}

interface Architecture {
  /** AUDIT_ARCH_* (linux/audit.h), which is what the kernel puts into seccomp_data.arch. */
  audit: number;
  /** Where its numbers are in the tables. */
  column: 0 | 1 | 2 | 3;
  /** Numbers beyond the tables that are not just unknown. */
  beyond: readonly Span[];
}

const X86_64: Architecture = {
  audit: 0xc000003e,
  column: 0,
  // x32 calls are x86-64 calls with this bit (asm/unistd.h); no Debian kernel serves them since long.
  beyond: [{from: 0x40000000, actions: REFUSE.EPERM}],
};

const I386: Architecture = {audit: 0x40000003, column: 1, beyond: []};

const AARCH64: Architecture = {audit: 0xc00000b7, column: 2, beyond: []};

const ARM: Architecture = {
  audit: 0x40000028,
  column: 3,
  // Its own: what every program starts with (set_tls), and what made code needs (cacheflush).
  beyond: [
    {from: 0xf0000, actions: PASS},
    {from: 0xf0007, actions: REFUSE.ENOSYS},
  ],
};

/** A debugger leaves a call out by making it this one. */
const NO_CALL = 0xffffffff;

const FAMILIES: Partial<Record<string, readonly Architecture[]>> = {
  x64: [X86_64, I386],
  arm64: [AARCH64, ARM],
};

/** The filter as bwrap(1) --seccomp wants it, an array of struct sock_filter; undefined where there is none. */
export function seccompFilter(options: FilterOptions): Buffer | undefined {
  const family = FAMILIES[options.processor ?? process.arch];
  if (family === undefined) return undefined;
  // Calls made in another way than in the tables: refuse all.
  return assemble(
    family.map((architecture) => programFor(architecture, options)),
    REFUSE.EPERM,
  );
}

function programFor({audit, column, beyond}: Architecture, options: FilterOptions): Program {
  const rules = Array<Actions>(FIRST_UNKNOWN).fill(PASS);
  for (const {liftedBy, answer, calls} of REFUSED) {
    if (liftedBy.some((name) => options.capabilities.includes(name))) continue;
    for (const numbers of Object.values(calls)) {
      const number = numbers[column];
      if (number !== null) rules[number] = REFUSE[answer];
    }
  }
  for (const [name, actions] of examinations(options)) {
    const number = EXAMINED[name][column];
    if (number !== null) rules[number] = actions;
  }
  const spans: Span[] = [];
  for (let from = 0; from < FIRST_UNKNOWN; from++) {
    const actions = rules[from] ?? PASS;
    if (from === 0 || actions !== rules[from - 1]) spans.push({from, actions});
  }
  spans.push({from: FIRST_UNKNOWN, actions: REFUSE.ENOSYS}, ...beyond, {from: NO_CALL, actions: PASS});
  return {audit, spans};
}

function examinations(options: FilterOptions): [keyof typeof EXAMINED, Actions][] {
  return [
    ['ioctl', refuseValues(1, [TIOCSTI, TIOCLINUX], 'EPERM')],
    ['socket', refuseValues(0, refusedFamilies(options), 'EAFNOSUPPORT')],
    ['personality', refuseBits(0, ~HARMLESS_PERSONALITY, 'EPERM', ASK_PERSONALITY)],
    ['socketcall', i386Sockets(options) ? PASS : refuseValues(0, [SYS_SOCKET], 'ENOSYS')],
    ...(options.capabilities.includes('SYS_ADMIN') ? [] : NO_NAMESPACES),
    ...(options.ordinaryDevices === true ? ORDINARY_DEVICES : []),
  ];
}

/** S_IFMT, S_IFBLK and S_IFCHR (inode(7)). */
const KIND = 0xf000;
const BLOCK = 0x6000;
const CHARACTER = 0x2000;

/**
 * Of these nodes can be made where nodes work and no control group keeps to devices: null, zero, full, random, urandom,
 * tty, console, ptmx, and 0:0, which is no device but how an overlay marks what is deleted. As mknod(2) takes them,
 * the major number above eight bits of the minor one. What makes a root asks for the console (5:1) too, and fails without.
 */
const NODES = [0x103, 0x105, 0x107, 0x108, 0x109, 0x500, 0x501, 0x502, 0];

function nodesOnly(mode: number, device: number): Actions {
  return refuseAllBut({mode, kind: KIND, always: BLOCK, examined: CHARACTER}, device, NODES, 'EPERM');
}

const ORDINARY_DEVICES: [keyof typeof EXAMINED, Actions][] = [
  ['mknod', nodesOnly(1, 2)],
  ['mknodat', nodesOnly(2, 3)],
];

/** Typing into the caller's terminal, with a character and with the virtual console's paste (CVE-2017-5226 and kin). */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

/** Cgroup, UTS, IPC, user, pid, network and mount namespaces (linux/sched.h). */
const NEW_NAMESPACES = 0x7e020000;
/** What unshare(2) is for otherwise: memory, file system attributes, descriptors, signal handlers, threads, semaphores. */
const SHARED_IN_PROCESS = 0x00050f00;

/**
 * Inside a user namespace of its own any process is root and may mount: the kernel's largest surface. For the others
 * the kernel asks for the capability itself. (clone3 has no place here: see the table.)
 */
const NO_NAMESPACES: [keyof typeof EXAMINED, Actions][] = [
  ['clone', refuseBits(0, NEW_NAMESPACES, 'EPERM')],
  ['unshare', refuseBits(0, ~SHARED_IN_PROCESS, 'EPERM')],
];

/**
 * The kernel's own cryptography. It has let files that one may only read be changed in memory, for all that share
 * them (CVE-2026-31431), as clones share their version's; programs have libraries for that.
 */
const AF_ALG = 38;

/**
 * To the hypervisor, to virtual machines, and to services that trust whoever comes that way; no firewall sees it, and
 * no network namespace holds it. The host's network is none of that, so it is refused with that too.
 */
const AF_VSOCK = 40;

/** Two more that network namespaces do not hold: RDS, and how modems and the like are spoken to. */
const AF_RDS = 21;
const AF_QIPCRTR = 42;

function refusedFamilies({network}: FilterOptions): number[] {
  return network === 'host' ? [AF_ALG, AF_VSOCK] : [AF_ALG, AF_VSOCK, AF_RDS, AF_QIPCRTR];
}

/**
 * With the host's network, socketcall(2) passes, and with it any family: the C library of i386 makes sockets in no
 * other way, to this day. Without a network that would be the way out, from every root, since programs of x86-64 can
 * call as i386 does. A root that is i386 itself, though, could make no sockets at all, not even between its processes.
 */
function i386Sockets({network, is32BitRoot = false}: FilterOptions): boolean {
  return network === 'host' || is32BitRoot;
}

/** The subcall of socketcall(2) that makes a socket; socketpair(2) makes none of the families above. */
const SYS_SOCKET = 1;

/**
 * What setarch(8) can set, as builds do: linux32 (8), addresses that are not random (debuggers), memory that can be
 * executed (old Lisps), layouts and limits of addresses, old version numbers (linux/personality.h). Not the mapping of
 * the first page, nor the systems of old whose programs no kernel runs any more.
 */
const HARMLESS_PERSONALITY = 0x0fee0008;
const ASK_PERSONALITY = 0xffffffff;
