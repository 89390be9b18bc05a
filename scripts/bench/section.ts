/** What one part of the benchmark is made of. */
import type {Case} from './case.ts';

/** The name of a case, or of several whose times are added up, round by round. */
export type Side = string | readonly string[];

/** `of` in relation to `to`. */
export interface Comparison {
  of: Side;
  to: Side;
  /** Instead of the names of both, where they are many. */
  name?: string;
  /** What the project promises: at most this many times as long, or this many milliseconds more. */
  most?: {ratio: number} | {milliseconds: number};
}

export interface Table {
  head: readonly string[];
  rows: readonly (readonly string[])[];
}

export interface Section {
  title: string;
  /** What is measured, for the reader of the table. */
  about: string;
  rounds: number;
  cases: readonly Case[];
  /** Whether each measurement begins with nothing to write to the disk, so that nobody waits for what others wrote. */
  isSettled?: boolean;
  comparisons: readonly Comparison[];
  /** So many runs are one measurement: the table says how many that is a second. */
  runs?: number;
  /** The bars of these cases are drawn, under this title. */
  plot?: string;
  /** Figures that are no times. */
  table?: Table;
  /** Why a peer could not be measured, by its name or that of its case. */
  failures?: ReadonlyMap<string, string>;
}

/** Where a section works. */
export interface Ground {
  /** Empty, on a file system of its own. */
  directory: string;
  /** Empty, on a tmpfs, with a short path: for sockets. */
  runtime: string;
  /** A tar of a Debian root. */
  rootTar: string;
  /** Large things may be smaller. */
  isQuick: boolean;
  /** Has `task` called when the section is left, however that comes about; the last one first. */
  atEnd: (task: () => void) => void;
}

export type SectionMaker = (ground: Ground) => Section | Promise<Section>;

/** Within a third: the promise that a size does not matter. */
export const A_THIRD = {ratio: 4 / 3};

/** Within a tenth: the same for how much a store holds. */
export const A_TENTH = {ratio: 1.1};
