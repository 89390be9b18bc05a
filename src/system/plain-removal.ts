/** What removes a volume where nobody is left who knows what volumes are (native/supervisor/removal.c). */

/**
 * How to remove a volume in which there is nothing unusual. Its directory, of what may be in it, gets another name; then
 * it is deleted, if there are not too many entries. As long as `watched` is as it was nothing else waits for it to be gone.
 */
export interface PlainRemoval {
  /** The directory of the volumes. */
  volumes: string;
  /** Names there: what it has and what it gets. */
  name: string;
  gone: string;
  /** The last one is a file, the others are directories. */
  parts: readonly string[];
  most: number;
  /** `identity`: the file's number and when its inode was changed last, in nanoseconds since the epoch. */
  watched: {path: string; identity: string} | undefined;
}
