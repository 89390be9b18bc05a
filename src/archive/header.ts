/**
 * One 512 byte header block of a tar (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar
 * Format"). Stricter than tar(1) on purpose: what two programs could read differently is refused.
 */
import {refusal, shown} from './refusal.ts';

export const BLOCK = 512;

export interface Header {
  /** Bytes as latin1, the ustar prefix included. */
  name: string;
  linkName: string;
  /** The type flag as a character; the old `\0` comes out as `0`. */
  type: string;
  /** Bytes of contents that follow. */
  size: number;
  device: {major: number; minor: number} | undefined;
  /** GNU's own format before POSIX.1-2001, the only one whose sparse files (`S`) are described in the header. */
  oldGnu: boolean;
}

/** Offsets of the fields; see struct posix_header in the GNU tar manual. */
const SIZE = 124;
const CHECKSUM = 148;
const TYPE = 156;
const LINK_NAME = 157;
const MAGIC = 257;
const DEVICE_MAJOR = 329;
const DEVICE_MINOR = 337;
const PREFIX = 345;

/** Reads a header block. @throws ChrootctlError BAD_INPUT */
export function readHeader(block: Buffer): Header {
  const checksum = octal(block, CHECKSUM, 8);
  const name = text(block, 0, 100);
  if (checksum !== checksumOf(block))
    throw refusal(`the header of ${shown(name)} has a wrong checksum: the archive is corrupt`);
  const magic = block.toString('latin1', MAGIC, MAGIC + 8);
  const prefix = magic.startsWith('ustar\0') ? text(block, PREFIX, 155) : '';
  const fullName = prefix === '' ? name : `${prefix}/${name}`;
  const type = String.fromCharCode(block[TYPE] || 0x30);
  const number = (offset: number, length: number, what: string): number => {
    const value = octal(block, offset, length);
    if (value === undefined) throw refusal(`${shown(fullName)} has an invalid ${what}`);
    return value;
  };
  return {
    name: fullName,
    linkName: text(block, LINK_NAME, 100),
    type,
    size: number(SIZE, 12, 'size'),
    device:
      type === '3' || type === '4'
        ? {major: number(DEVICE_MAJOR, 8, 'device number'), minor: number(DEVICE_MINOR, 8, 'device number')}
        : undefined,
    oldGnu: magic === 'ustar  \0',
  };
}

/** Whether these bytes can be the first block of a tar: its checksum fits. Old tars have no magic number. */
export function looksLikeHeader(block: Buffer): boolean {
  return block.length >= BLOCK && octal(block, CHECKSUM, 8) === checksumOf(block);
}

/** The sum of all bytes, the checksum field itself taken as eight spaces. */
export function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < CHECKSUM; at++) sum += block[at] ?? 0;
  for (let at = CHECKSUM + 8; at < BLOCK; at++) sum += block[at] ?? 0;
  return sum;
}

/** A field that ends at its first NUL or fills its place. */
function text(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset);
  return block.toString('latin1', offset, end === -1 || end > offset + length ? offset + length : end);
}

/**
 * A number field: octal digits ended by a space or NUL, or GNU's base 256 with 0x80 first. A blank one is 0.
 * Undefined for anything else: negative, overlong, or not a number.
 */
export function octal(block: Buffer, offset: number, length: number): number | undefined {
  if (block[offset] === 0x80) {
    let value = 0;
    for (let at = offset + 1; at < offset + length; at++) value = value * 256 + (block[at] ?? 0);
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = /^ *([0-7]*)(?:[ \0]|$)/.exec(block.toString('latin1', offset, offset + length))?.[1];
  return digits === undefined ? undefined : parseInt(`0${digits}`, 8);
}

const ZEROS = Buffer.alloc(64 * 1024);

export function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (!part.equals(ZEROS.subarray(0, part.length))) return false;
  }
  return true;
}
