/**
 * The log of all writes to a disk, as QEMU keeps it (driver=blklogwrites) in the format of the kernel's dm-log-writes:
 * a sector with the log's superblock, then entries of a sector each, in the order in which the guest made its requests;
 * the data of a write follows its entry.
 */

export interface LogEntry {
  /** Bytes on the disk. Both 0 for an entry that writes nothing. */
  offset: number;
  length: number;
  /** Everything before it is on the disk when this is done; the data of this same entry need not be. */
  isFlush: boolean;
  /** On the disk itself when it is done (forced unit access). */
  isDurable: boolean;
  /** Position of the data in the log; undefined for a discard, after which the disk reads as zeros. */
  data: number | undefined;
}

/** Reads `length` bytes of the log from `position` on. */
export type ReadLog = (position: number, length: number) => Buffer;

const MAGIC = 0x6a736677736872n;
const VERSION = 1n;
/** Bytes of the superblock and of an entry that have a meaning. */
const HEADER = 32;

const FLUSH = 1;
const FUA = 2;
const DISCARD = 4;
const MARK = 8;

/**
 * The entries that the superblock counts. QEMU counts anew with every flush, so those after the last one are left out.
 * @throws Error when it is no such log
 */
export function parseWriteLog(read: ReadLog): LogEntry[] {
  const superblock = read(0, HEADER);
  if (superblock.readBigUInt64LE(0) !== MAGIC || superblock.readBigUInt64LE(8) !== VERSION)
    throw new Error('not a write log of version 1');
  const count = Number(superblock.readBigUInt64LE(16));
  const sector = superblock.readUInt32LE(24);
  const entries: LogEntry[] = [];
  let position = sector;
  for (let number = 0; number < count; number++) {
    const header = read(position, HEADER);
    const field = (at: number): number => Number(header.readBigUInt64LE(at));
    const [offset, length, flags] = [field(0), field(8), field(16)];
    position += sector;
    const writes = (flags & MARK) === 0;
    const hasData = writes && (flags & DISCARD) === 0;
    entries.push({
      offset: offset * sector,
      length: writes ? length * sector : 0,
      isFlush: (flags & FLUSH) !== 0,
      isDurable: (flags & FUA) !== 0,
      data: hasData ? position : undefined,
    });
    if (hasData) position += length * sector;
    // The text of a mark takes one sector.
    if (!writes) position += sector;
  }
  return entries;
}
