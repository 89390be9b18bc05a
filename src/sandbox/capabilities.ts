/** Which capabilities (capabilities(7)) a command holds inside. */
import {ChrootctlError} from '../errors.ts';

/** In the order of the kernel's numbers (linux/capability.h), so that the index is the bit. */
const KNOWN = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
] as const;

export type Capability = (typeof KNOWN)[number];

export const ALL_CAPABILITIES: readonly Capability[] = KNOWN;

/**
 * What a command has unless told otherwise: docker's default set less NET_RAW, which nothing that builds packages
 * needs and which forges packets on a shared network.
 */
export const DEFAULT_CAPABILITIES: readonly Capability[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'MKNOD',
  'AUDIT_WRITE',
  'SETFCAP',
];

/**
 * The default set with additions and removals; names with or without `CAP_`, in any case, or `ALL`. As with docker,
 * a name wins over `ALL`, and what is dropped by name stays dropped.
 * @throws ChrootctlError USAGE for a name that is no capability
 */
export function chosenCapabilities(add: readonly string[], drop: readonly string[]): Capability[] {
  const added = add.map(parseCapability);
  const dropped = drop.map(parseCapability);
  const start = added.includes('ALL') ? KNOWN : dropped.includes('ALL') ? [] : DEFAULT_CAPABILITIES;
  const chosen = new Set<Capability | 'ALL'>([...start, ...added]);
  for (const name of dropped) chosen.delete(name);
  return KNOWN.filter((name) => chosen.has(name));
}

/** @throws ChrootctlError USAGE */
export function parseCapability(text: string): Capability | 'ALL' {
  const name = text.trim().toUpperCase().replace(/^CAP_/, '');
  if (name === 'ALL') return 'ALL';
  const known = KNOWN.find((candidate) => candidate === name);
  if (known === undefined) {
    throw new ChrootctlError('USAGE', `no such capability: ${text}`, {
      hint: 'see capabilities(7) for the names',
    });
  }
  return known;
}

/** The set as the kernel prints it in /proc/PID/status: a mask of 64 bits. */
export function capabilityMask(set: Iterable<Capability>): bigint {
  let mask = 0n;
  for (const name of set) mask |= 1n << BigInt(KNOWN.indexOf(name));
  return mask;
}
