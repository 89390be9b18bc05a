/** What one part of the benchmark is made of. */

export interface Command {
  words: readonly string[];
  env?: Record<string, string>;
}

/** What is timed: one command, called round after round. */
export interface Case {
  name: string;
  command: (round: number) => Command;
  /** Not timed, before each round of this case. */
  prepare?: (round: number) => void;
  /** A peer's: when it fails, this is told and the others go on. */
  mayFail?: boolean;
}

/** Cases by what they do; what they are called says of whom, or of how much. */
export type Cases = Record<string, Omit<Case, 'name'>>;

/** What the project promises: at most so many times as long, or so many milliseconds more. */
export type Limit = {ratio: number} | {milliseconds: number};

/** `of` in relation to `to`. The times of several cases are added up, round by round. */
export interface Comparison {
  of: readonly string[];
  to: readonly string[];
  /** Instead of the names of all. */
  name?: string;
  most?: Limit | undefined;
}

export interface Section {
  title: string;
  /** What is measured, for the reader of the table; and what was, where there are no cases. */
  about: string;
  rounds: number;
  cases: readonly Case[];
  comparisons: readonly Comparison[];
  /** Why a peer could not be made ready, by its name. */
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
