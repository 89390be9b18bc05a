/** The check that every archive passes before tar(1) may see it: each header, in order, and the whole at its end. */
import {fstatSync, readSync} from 'node:fs';
import {Pauses} from '../system/interruption.ts';
import {TarReader} from './reader.ts';
import {refusal} from './refusal.ts';
import {ArchivedTree} from './tree.ts';

export interface Unpacked {
  /** Files, directories, links and so on. */
  entries: number;
  /** Size of the archive, decompressed. */
  bytes: number;
}

export class ArchiveCheck {
  readonly #tree = new ArchivedTree();
  readonly #reader = new TarReader((entry) => this.#tree.add(entry));
  readonly #maxSize: number;
  #bytes = 0;

  /** @param maxSize the most bytes that the archive may have once decompressed */
  constructor(maxSize = Infinity) {
    this.#maxSize = maxSize;
  }

  get soFar(): Unpacked {
    return {entries: this.#tree.entries, bytes: this.#bytes};
  }

  /** Takes the next bytes. @throws ChrootctlError BAD_INPUT; nothing of these bytes may then be used */
  write(chunk: Buffer): void {
    this.#count(chunk.length);
    this.#reader.write(chunk);
  }

  /** Passes over contents that come next, at most `available` bytes; returns how many. */
  passOver(available: number): number {
    const passed = this.#reader.passOver(available);
    this.#count(passed);
    return passed;
  }

  /** All bytes have been taken. @throws ChrootctlError BAD_INPUT */
  end(): Unpacked {
    this.#reader.end();
    this.#tree.end();
    return this.soFar;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= this.#maxSize) return;
    throw refusal(
      `the archive has more than ${this.#maxSize} bytes once decompressed`,
      'raise the limit if it is to be trusted',
    );
  }
}

const CHUNK = 64 * 1024;

/**
 * Checks a tar on disk, of which only the headers need be read. The file's position stays at its beginning.
 * @param signal stops the work; its reason is what is thrown then
 * @throws ChrootctlError BAD_INPUT
 */
export async function checkFile(fd: number, check: ArchiveCheck, signal?: AbortSignal): Promise<void> {
  const {size} = fstatSync(fd);
  const pause = new Pauses(signal);
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (let at = 0; at < size;) {
    const length = readSync(fd, buffer, 0, CHUNK, at);
    if (length === 0) break;
    check.write(buffer.subarray(0, length));
    at += length;
    at += check.passOver(size - at);
    await pause.now();
  }
  check.end();
}
