/** What chrootctl is measured beside. Each has one Debian root. */
import type {Command, Ground} from '../harness/section.ts';

export interface Peer<Can extends Runner = Runner> {
  name: string;
  /** Of Debian. */
  packages: readonly string[];
  /** Starts what it needs, and sees to it that this ends with the section. */
  makeReady: (ground: Ground) => Can;
}

export interface Runner {
  /** A command in a throw-away clone. */
  run: (...words: string[]) => Command;
}

/** Has clones that are kept until they are ended. */
export interface SessionKeeper extends Runner {
  begin: (session: string) => Command;
  exec: (session: string, ...words: string[]) => Command;
  end: (session: string) => Command;
}

export interface ImageKeeper extends SessionKeeper {
  /** What was changed in a session becomes a new image. */
  commit: (session: string, image: string) => Command;
}
