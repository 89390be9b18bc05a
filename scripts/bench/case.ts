/** What is timed: one command, called round after round. */

export interface Command {
  words: readonly string[];
  env?: Record<string, string>;
}

export interface Case {
  name: string;
  command: (round: number) => Command;
  /** Not timed, before each round of this case. */
  prepare?: (round: number) => void;
  /** Not timed, after each round of this case. */
  cleanUp?: (round: number) => void;
  /** A peer's: when it fails, this is told and the others go on. */
  mayFail?: boolean;
  /**
   * False for what does its work in a bubblewrap that is not shut in itself: that ends without waiting for its process
   * 1, whose processor time is nobody's then.
   */
  hasCpu?: boolean;
}
