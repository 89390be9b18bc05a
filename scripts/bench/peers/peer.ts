/** What chrootctl is measured beside. */
import type {Command} from '../case.ts';
import type {Ground} from '../section.ts';

export interface Peer {
  name: string;
  /** Of Debian; the first one's version is the peer's. */
  packages: readonly string[];
  /** Starts what it needs, and sees to it that this ends with the section. */
  makeReady: (ground: Ground) => ReadyPeer;
}

export interface ReadyPeer {
  /** Makes the root that is in a tar known as `root`. */
  addRoot: (root: string, tar: string) => void;
  /** A command in a throw-away clone. */
  run: (root: string, ...words: string[]) => Command;
  /** False when a daemon, or a process that nobody waits for, does the work. */
  hasCpu: boolean;
  sessions?: Sessions;
  commits?: Commits;
  archives?: Archives;
}

/** Clones that are kept until they are ended. */
export interface Sessions {
  begin: (root: string, session: string) => Command;
  exec: (session: string, ...words: string[]) => Command;
  end: (session: string) => Command;
}

export interface Commits {
  /** What was changed in a session becomes a new root. */
  commit: (session: string, root: string) => Command;
  /** A run whose result becomes a new root. */
  runAndCommit: (from: string, to: string, ...words: string[]) => Command;
}

export interface Archives {
  importTar: (root: string, tar: string) => Command;
  /** Of a session of its own, where it takes one. */
  exportTar: (root: string, tar: string) => Command;
}
