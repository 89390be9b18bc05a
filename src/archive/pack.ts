/** Root file system archives out. */
import {COMPRESSORS, type Compression} from './compression.ts';
import {startPacking} from './confined-tar.ts';
import {checkEnded, writeOutput, type Output} from './output.ts';

export type {Compression} from './compression.ts';

export interface PackOptions {
  compression: Compression;
  /** Patterns of names that are left out, as `./dev/*`. */
  leaveOut?: readonly string[] | undefined;
  /** Stops the work; its reason is what is thrown then. */
  signal?: AbortSignal | undefined;
}

/**
 * Packs the tree at `directory` as a tar (POSIX.1-2001 pax), the same bytes for the same tree: names in order, numeric
 * owners, no times of access. What unpackRoot keeps is in it; other file systems mounted below are not.
 *
 * A file `out` appears complete and durable or not at all, readable by its owner only (there are password hashes in
 * a root); a device or pipe is written to as it is. A stream, and what is open already, is left open.
 * @throws Unconfirmed when the file is there, but may not last
 * @throws ChrootctlError FAILED when the disk is full, the reader went away or a file cannot be read;
 *   NOT_FOUND, NOT_PERMITTED, USAGE for `out`
 */
export async function packRoot(directory: string, out: Output, options: PackOptions): Promise<void> {
  const compressor = COMPRESSORS[options.compression];
  await writeOutput(out, {
    signal: options.signal,
    start: (stdout) => startPacking(directory, stdout, {compressor, leaveOut: options.leaveOut}),
    check: (ended) => checkEnded(ended, compressor, 'the tree cannot be packed'),
  });
}
