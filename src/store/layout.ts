/** Where a store keeps what. Every path below a store's root is made here, out of names that were checked. */
import {join} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import {checkImageName} from '../reference.ts';

/** Ends the name of an image's directory that is being deleted. No image has such a name. */
export const GONE = '~gone';

export class Layout {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Format number and driver of the store. */
  get format(): string {
    return join(this.root, 'format.json');
  }

  get images(): string {
    return join(this.root, 'images');
  }

  /** An image's records. The slashes and colons of its name are percent-encoded: one image is one directory. */
  image(name: string): string {
    return join(this.images, encodeURIComponent(name));
  }

  /** Undefined for what is no image's directory. */
  imageName(directory: string): string | undefined {
    try {
      const name = checkImageName(decodeURIComponent(directory));
      return encodeURIComponent(name) === directory ? name : undefined;
    } catch (error) {
      if (error instanceof ChrootctlError || error instanceof URIError) return undefined;
      throw error;
    }
  }

  /** Session records: who uses which version. A record is the pin that keeps a version from being removed. */
  get sessions(): string {
    return join(this.root, 'sessions');
  }

  session(id: string): string {
    return join(this.sessions, `${id}.json`);
  }

  /** Commands that run in kept sessions right now. */
  get execs(): string {
    return join(this.root, 'execs');
  }

  /** The drivers' room. */
  get volumes(): string {
    return join(this.root, 'volumes');
  }

  /** Mount points. */
  get mounts(): string {
    return join(this.root, 'mnt');
  }

  mount(session: string): string {
    return join(this.mounts, session);
  }

  get locks(): string {
    return join(this.root, 'locks');
  }

  lock(kind: 'image' | 'session' | 'owner' | 'sandbox' | 'exec' | 'store', name: string): string {
    return join(this.locks, `${kind}-${encodeURIComponent(name)}.lock`);
  }

  /** Space that is given up so that a full store can still be cleaned up. */
  get reserve(): string {
    return join(this.root, 'reserve');
  }
}
