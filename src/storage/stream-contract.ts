/**
 * What some drivers can do besides: write a frozen volume as a stream of a format of their own, with the blocks as they
 * are on disk, and make a volume out of such a stream. A stream is of a whole volume, or of what it has more than one
 * that it was made from; and one that breaks off can go on where it did.
 */
import type {Child} from '../system/child.ts';

export interface VolumeStreams {
  /** Frozen volumes that this one was made from, nearest first. @throws ChrootctlError NOT_FOUND */
  ancestors(id: string): Promise<string[]>;

  /**
   * How to write a frozen volume, with the memo that is kept with it.
   * @throws ChrootctlError NOT_FOUND
   */
  send(id: string, options: SendOptions): Promise<Sending>;

  /**
   * How to write what the receiver still lacks; `token` is what it knows of that.
   * @throws ChrootctlError BAD_INPUT for no token, NOT_FOUND when the volume is not here
   */
  resume(token: string): Promise<Sending & {id: string}>;

  /**
   * Reads the beginning of a stream, and changes nothing yet.
   * @throws ChrootctlError BAD_INPUT for what no volume can be made of; NOT_FOUND of one that goes on, when what it
   *   goes on with is not here
   */
  open(source: StreamSource): Promise<Incoming>;

  /** What has been received of streams that broke off, or are being received now. */
  unfinished(): Promise<Unfinished[]>;

  /** Throws away what has been received of one. @throws ChrootctlError BUSY while it is being received */
  abandon(name: string): Promise<void>;
}

/** Where the bytes of a stream come from. */
export interface StreamSource {
  chunks: AsyncIterable<Buffer>;
  /** After the end: rejects when it was none. */
  finished(): Promise<unknown>;
  cancel(): void;
}

export interface SendOptions {
  /** One of the volume's ancestors, which the receiver has: only the difference is written. */
  from?: string | undefined;
  /** Blocks stay compressed as they are on disk. Not so for a stream that is compressed as a whole. */
  compressedBlocks: boolean;
}

/** Starts the program that writes the stream to a pipe or an open file. */
export interface Sending {
  start: (stdout: 'pipe' | number) => Child;
}

export interface Incoming {
  /** What was kept with the volume where it comes from. */
  memo: string | undefined;
  /** The volume here that it builds on. */
  parent: string | null;
  /** What it builds on and is not here: the volume's parent or an earlier ancestor. It cannot be received then. */
  lacks?: 'parent' | 'ancestor';

  /**
   * Makes the frozen volume `id` of the stream. What has come before a failure is kept, if the stream can go on from
   * there; `unfinished` tells.
   * @throws ChrootctlError BAD_INPUT when the stream is damaged or breaks off, BUSY when it is being received already
   */
  receive(id: string, options?: {signal?: AbortSignal | undefined}): Promise<void>;
}

export interface Unfinished {
  name: string;
  /** The volume that it was to become at the last attempt. */
  id: string;
  /** Bytes on disk. */
  size: number;
  /** When the last attempt began; undefined once all has come and it is about to become the volume. */
  since: Date | undefined;
  /** What the sender needs to go on; undefined: it cannot. */
  token: string | undefined;
}
