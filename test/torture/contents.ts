/** What is in versions: a hash of all of it, attributes included, which must be the same whenever one looks. */
import {createHash} from 'node:crypto';
import {pipeline} from 'node:stream/promises';
import type {Cli} from '../cli/chrootctl.ts';
import {GenerationReader} from './generation.ts';

export interface Content {
  hash: string;
  /** Undefined for a tree that is not whole. */
  generation: string | undefined;
}

export class Contents {
  readonly #cli: Cli;
  readonly #first = new Map<string, Content>();
  /** How many looks there were. */
  looks = 0;

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  /** Versions that were looked into. */
  get versions(): number {
    return this.#first.size;
  }

  /**
   * Looks into a version; tells what is wrong with it. `expected` is what must be in it; undefined for anything, as
   * long as it is the same as before.
   */
  async look(reference: string, expected: string | undefined): Promise<{problem?: string; failure?: string}> {
    const seen = await this.#read(reference);
    if (typeof seen === 'string') return {failure: seen};
    this.looks++;
    const before = this.#first.get(reference);
    if (before === undefined) this.#first.set(reference, seen);
    else if (before.hash !== seen.hash)
      return {problem: `${reference} has changed: generation ${before.generation} became ${seen.generation}`};
    if (expected !== undefined && seen.generation !== expected)
      return {problem: `${reference} has generation ${seen.generation} instead of ${expected}`};
    return {};
  }

  async #read(reference: string): Promise<Content | string> {
    const child = this.#cli.start(['export', reference, '-', '--quiet', '--json']);
    child.stdin?.end();
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
    const hash = createHash('sha256');
    const reader = new GenerationReader();
    const bytes: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      bytes.push(chunk);
    });
    const code = await closed;
    if (code !== 0) return `${said}${bytes.map(String).join('').slice(-500)}`;
    await pipeline(bytes, reader.tar);
    return {hash: hash.digest('hex'), generation: reader.generation};
  }
}
