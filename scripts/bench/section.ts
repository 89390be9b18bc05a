/** What one part of the benchmark is made of. */
import type {Case} from './measure.ts';

/** `of` in relation to `to`, both names of cases. */
export interface Comparison {
  of: string;
  to: string;
  /** What the project promises: at most this many times as long, or this many milliseconds more. */
  most?: {ratio: number} | {milliseconds: number};
}

export interface Section {
  title: string;
  /** What is measured, for the reader of the table. */
  about: string;
  rounds: number;
  cases: readonly Case[];
  comparisons: readonly Comparison[];
}

/** Where a section works: an empty directory on a file system of its own, and a root to work with. */
export interface Ground {
  directory: string;
  /** A tar of a Debian root. */
  rootTar: string;
}

export type SectionMaker = (ground: Ground) => Section | Promise<Section>;

/** Within a third: the promise that a size does not matter. */
export const A_THIRD = {ratio: 4 / 3};
