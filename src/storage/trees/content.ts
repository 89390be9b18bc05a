/** Comparing the contents of files. */
import {closeSync, openSync, readSync} from 'node:fs';
import {asBytes, type BytePath} from './bytes.ts';

const CHUNK_BYTES = 1 << 18;

/** One pair for all calls: most files are much smaller, and the calls are synchronous. */
const ONE = Buffer.alloc(CHUNK_BYTES);
const OTHER = Buffer.alloc(CHUNK_BYTES);

/** Whether two files of the same size hold the same bytes. */
export function sameContent(a: BytePath, b: BytePath): boolean {
  const files = [openSync(asBytes(a), 'r')];
  try {
    files.push(openSync(asBytes(b), 'r'));
    for (;;) {
      const [read, other] = [fill(files[0] ?? -1, ONE), fill(files[1] ?? -1, OTHER)];
      if (read !== other || ONE.compare(OTHER, 0, other, 0, read) !== 0) return false;
      if (read < CHUNK_BYTES) return true;
    }
  } finally {
    files.forEach(closeSync);
  }
}

/** Reads until the buffer is full or the file ends; read(2) may return less than asked for. */
function fill(fd: number, buffer: Buffer): number {
  let filled = 0;
  while (filled < buffer.length) {
    const read = readSync(fd, buffer, filled, buffer.length - filled, null);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}
