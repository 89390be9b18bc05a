/** Files of ours that are kept open to be locked for life (system/life.ts), by the ids of the records they belong to. */
import {closeSync, openSync, writeFileSync} from 'node:fs';
import {naming} from '../system/files.ts';

/** Makes a file, and opens it. Not for writing: that would keep its file system from becoming read-only as long as we run. */
export function makeLifeline(path: string, content: string): number {
  naming(path, () => writeFileSync(path, content, {flag: 'wx', mode: 0o600}));
  return openSync(path, 'r');
}

export class Lifelines {
  readonly #open = new Map<string, number>();

  keep(id: string, fd: number): void {
    this.#open.set(id, fd);
  }

  of(id: string): number | undefined {
    return this.#open.get(id);
  }

  drop(id: string): void {
    const fd = this.#open.get(id);
    if (fd !== undefined) closeSync(fd);
    this.#open.delete(id);
  }
}
