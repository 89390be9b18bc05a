/**
 * The rules that the entries of an archive keep: every name stays below the root, nothing is written through a
 * symlink that leads out of it, and nothing is forged that overlayfs would take for its own.
 */
import type {Entry} from './entry.ts';
import {refusal, shown} from './refusal.ts';

/** As many symlinks as the kernel follows in one path (path_resolution(7)). */
const MOST_SYMLINKS = 40;
/** Bytes of the longest path that a system call takes (path_resolution(7)): tar(1) makes what it unpacks by whole paths. */
const LONGEST_PATH = 4095;
const LONGEST_NAME = 255;
/** Limits of Linux device numbers: 12 and 20 bits (include/linux/kdev_t.h). */
const LARGEST_MAJOR = 0xfff;
const LARGEST_MINOR = 0xfffff;

const OUT = Symbol('leads out of the tree');

export class ArchivedTree {
  entries = 0;
  /** Names at the top, as far as they tell a root file system from an image in another format. */
  readonly #top = new Set<string>();
  /** Where there are symlinks now (real path, no dots, no slash in front), and where they point. */
  readonly #symlinks = new Map<string, string>();
  #lastParent = '';
  #lastReal = '';

  /** Takes the next entry. @throws ChrootctlError BAD_INPUT naming it */
  add(entry: Entry): void {
    this.entries++;
    for (const path of [entry.name, entry.linkName]) {
      if (path.length > LONGEST_PATH)
        throw refusal(
          `${shown(entry.name)} has a path of ${path.length} bytes; at most ${LONGEST_PATH} can be unpacked`,
        );
    }
    const parts = partsOf(entry.name, `the name ${shown(entry.name)}`);
    const path = parts.length === 0 ? '' : this.#real(parts, entry.name);
    if (path === '' && entry.type !== 'directory')
      throw refusal(`${shown(entry.name)}: the root can only be a directory`);
    if (parts.length > 0 && this.#top.size < 4096) this.#top.add(parts[0] ?? '');
    if (entry.type === 'character-device' || entry.type === 'block-device') this.#checkDevice(entry);
    const target =
      entry.type === 'link' ? this.#linked(entry) : entry.type === 'symlink' ? entry.linkName : undefined;
    if (entry.type === 'symlink' && (target === '' || target?.includes('\0') === true)) {
      throw refusal(`${shown(entry.name)} is a symlink to nowhere`);
    }
    if (target !== undefined) this.#symlinks.set(path, target);
    else if (!this.#symlinks.delete(path)) return;
    this.#lastParent = this.#lastReal = '';
  }

  /** All entries have been added. @throws ChrootctlError BAD_INPUT when it is not a root file system */
  end(): void {
    if (this.entries === 0)
      throw refusal('the archive has no entries', 'a root file system has at least one directory');
    const has = (name: string): boolean => this.#top.has(name);
    if (['usr', 'bin', 'etc', 'sbin', 'lib'].some(has)) return;
    if (has('oci-layout') || (has('index.json') && has('blobs'))) throw imageFormat('an OCI image');
    if (has('manifest.json')) throw imageFormat('a docker archive');
  }

  /** The symlink target that a hard link takes over, if it links to a symlink. */
  #linked(entry: Entry): string | undefined {
    const parts = partsOf(entry.linkName, `the hard link ${shown(entry.name)} to ${shown(entry.linkName)}`);
    if (parts.length === 0) throw refusal(`${shown(entry.name)} is a hard link to the root`);
    const path = this.#real(parts, entry.name);
    const target = this.#symlinks.get(path);
    if (target !== undefined && this.#follow(path.split('/')) === OUT) {
      throw refusal(
        `${shown(entry.name)} is a hard link to the symlink ${shown(entry.linkName)}, which leads out of the archive`,
      );
    }
    return target;
  }

  #checkDevice({name, type, device}: Entry): void {
    const {major, minor} = device ?? {major: 0, minor: 0};
    if (major > LARGEST_MAJOR || minor > LARGEST_MINOR)
      throw refusal(`${shown(name)} has an invalid device number`);
    // Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
    if (type === 'character-device' && major === 0 && minor === 0) {
      throw refusal(
        `${shown(name)} is a character device 0:0, which overlayfs takes for a deleted file`,
        'an overlay upper directory? Pack the merged tree instead',
      );
    }
  }

  /** Where an entry really is: symlinks in its parents followed, itself not. */
  #real(parts: readonly string[], name: string): string {
    const parent = parts.slice(0, -1).join('/');
    if (parent !== this.#lastParent) {
      const real = this.#follow(parts.slice(0, -1));
      if (real === OUT)
        throw refusal(`${shown(name)} would be written through a symlink that leads out of the archive`);
      this.#lastParent = parent;
      this.#lastReal = real;
    }
    const last = parts.at(-1) ?? '';
    return this.#lastReal === '' ? last : `${this.#lastReal}/${last}`;
  }

  /** The real path of a path all of whose symlinks are followed. */
  #follow(parts: readonly string[]): string | typeof OUT {
    const ahead = [...parts].reverse();
    const real: string[] = [];
    for (let followed = 0, part = ahead.pop(); part !== undefined; part = ahead.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (real.pop() === undefined) return OUT;
        continue;
      }
      real.push(part);
      const target = this.#symlinks.size === 0 ? undefined : this.#symlinks.get(real.join('/'));
      if (target === undefined) continue;
      if (target.startsWith('/') || ++followed > MOST_SYMLINKS) return OUT;
      real.pop();
      ahead.push(...target.split('/').reverse());
    }
    return real.join('/');
  }
}

function partsOf(name: string, what: string): string[] {
  if (name === '') throw refusal('an entry has no name');
  if (name.includes('\0')) throw refusal(`${what} has a NUL in it`);
  if (name.startsWith('/')) throw refusal(`${what} is absolute`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.some((part) => part.length > LONGEST_NAME))
    throw refusal(`${what} has a part of more than ${LONGEST_NAME} bytes, which no file system keeps`);
  if (parts.includes('..')) throw refusal(`${what} climbs out of its directory (..)`);
  return parts;
}

export function imageFormat(what: string): Error {
  return refusal(
    `this is ${what}; this release imports root file systems only`,
    'unpack it first: skopeo copy and umoci unpack, or docker export of a container',
  );
}
