/** The compressions of archives: told from a file's name when writing, from its first bytes when reading. */
import {ChrootctlError} from '../errors.ts';

export const COMPRESSIONS = ['none', 'gzip', 'xz', 'zstd'] as const;

export type Compression = (typeof COMPRESSIONS)[number];

const BY_SUFFIX: readonly (readonly [RegExp, Compression])[] = [
  [/\.(gz|tgz)$/i, 'gzip'],
  [/\.(xz|txz)$/i, 'xz'],
  [/\.(zst|zstd|tzst|tzstd)$/i, 'zstd'],
];

/** The compression that a file's name asks for: `.gz`, `.tgz`, `.xz`, `.txz`, `.zst`, `.tzst`; otherwise none. */
export function compressionOf(filename: string): Compression {
  return BY_SUFFIX.find(([suffix]) => suffix.test(filename))?.[1] ?? 'none';
}

/** The compression that was asked for, or else the one that the file's name asks for. @throws ChrootctlError USAGE */
export function chooseCompression(asked: string | undefined, filename: string): Compression {
  if (asked === undefined) return compressionOf(filename);
  const known = COMPRESSIONS.find((name) => name === asked);
  if (known !== undefined) return known;
  throw new ChrootctlError('USAGE', `there is no compression ${JSON.stringify(asked)}`, {
    hint: `one of ${COMPRESSIONS.join(', ')}`,
  });
}

/** Command lines. -n: neither name nor time in the header, so that equal trees make equal archives. */
export const COMPRESSORS: Record<Compression, string | undefined> = {
  none: undefined,
  gzip: 'gzip -n',
  xz: 'xz -T0',
  zstd: 'zstd -q -T0',
};

/** RFC 1952 2.3.1, the .xz file format 2.1.1.1, RFC 8878 3.1.1. */
const BY_MAGIC: readonly (readonly [string, Compression])[] = [
  ['\x1f\x8b', 'gzip'],
  ['\xfd7zXZ\0', 'xz'],
  ['\x28\xb5\x2f\xfd', 'zstd'],
];
/** A zstd stream may begin with a frame to be skipped (RFC 8878 3.1.2): pzstd(1) writes such. */
const SKIPPABLE = '*M\x18';

/** The compression of a file that begins with these bytes. */
export function compressionOfBytes(head: Uint8Array): Compression {
  const bytes = Buffer.from(head.subarray(0, 8)).toString('latin1');
  if (bytes.startsWith(SKIPPABLE, 1) && /^[P-_]/.test(bytes)) return 'zstd';
  return BY_MAGIC.find(([magic]) => bytes.startsWith(magic))?.[1] ?? 'none';
}

const OTHER_KINDS: readonly (readonly [string, string])[] = [
  ['PK\x03\x04', 'a zip archive'],
  ['PK\x05\x06', 'a zip archive'],
  ['\x7fELF', 'an ELF program'],
  ['BZh', 'compressed with bzip2'],
  ['\x04\x22\x4d\x18', 'compressed with lz4'],
  ['LZIP', 'compressed with lzip'],
  ['hsqs', 'a squashfs image'],
  ['QFI\xfb', 'a qcow2 disk image'],
  ['!<arch>\n', 'an ar archive or a Debian package'],
  ['7z\xbc\xaf', 'a 7z archive'],
  ['07070', 'a cpio archive'],
  ['#!', 'a script'],
];

/** What a file that is no tar looks like, for the error message. */
export function kindOfBytes(head: Uint8Array): string | undefined {
  const bytes = Buffer.from(head.subarray(0, 8)).toString('latin1');
  return OTHER_KINDS.find(([magic]) => bytes.startsWith(magic))?.[1];
}
