/**
 * The command's standard streams. Terminals, pipes and sockets of the caller are the command's as they are. A file of the
 * host is not: whoever holds a descriptor of one can open it again through /proc/self/fd, for more than it was opened for,
 * and from a directory go anywhere. What is in a file comes through a pipe instead, and what goes to one (relay.ts).
 */
import {closeSync, fstatSync, openSync, readlinkSync, type Stats} from 'node:fs';
import {isatty} from 'node:tty';
import {ChrootctlError} from '../errors.ts';
import {directoryOf} from '../system/processes.ts';
import {DESCRIPTORS} from './chain.ts';
import {openFile} from './descriptors.ts';
import {InputRelay, OutputRelay, relayFailure} from './relay.ts';
import type {SandboxStdio} from './spec.ts';

export type Stdio = SandboxStdio | readonly [SandboxStdio, SandboxStdio, SandboxStdio];

const NAMES = ['standard input', 'standard output', 'standard error'] as const;

/** The numbers that the command's three streams have in the chain. */
export const NUMBERS = [DESCRIPTORS.stdin, 1, DESCRIPTORS.stderr] as const;

/** What went wrong with a stream where another process relayed it. */
export interface StreamFailure {
  /** 0, 1 or 2. */
  index: number;
  /** The number of the error (errno(3)); 0: the file's position could not be set. */
  errno: number;
}

/** A pipe that the chain makes in the place of one of our files. Numbers are the chain's. */
export interface MadePipe {
  number: number;
  /** Which end the command gets; or the number of another whose end it shares. */
  end: 'reading' | 'writing' | {sharedWith: number};
}

export class Streams {
  /** What the chain starts with: descriptors of ours, where it does not make a pipe. */
  readonly given: readonly number[];
  readonly made: readonly MadePipe[];
  /** Numbers of pipes without a name. Nobody else comes to them by another way, so that the command's user can have them. */
  readonly unnamed: readonly number[];
  /** The caller's. */
  readonly files: readonly number[];
  #nothing: number | undefined;
  #relays: (InputRelay | OutputRelay)[] = [];

  /** @throws ChrootctlError USAGE for a stream that no command can be given */
  constructor(stdio: Stdio) {
    const wanted = typeof stdio === 'object' ? stdio : [stdio, stdio, stdio];
    this.files = wanted.map((each, index) =>
      each === 'inherit' ? index : each === 'ignore' ? this.#openNothing() : each,
    );
    const relayed = [0, 1, 2].filter((index) => mustBeRelayed(this.files[index] ?? -1, index));
    const isShared = relayed.includes(1) && relayed.includes(2) && isSamePlace(...this.#outputs);
    this.made = relayed.map((index) => ({
      number: NUMBERS[index] ?? -1,
      end: index === 0 ? 'reading' : index === 2 && isShared ? {sharedWith: NUMBERS[1]} : 'writing',
    }));
    this.given = this.files.map((fd, index) => (relayed.includes(index) ? this.#openNothing() : fd));
    this.unnamed = NUMBERS.filter(
      (_, index) => relayed.includes(index) || isUnnamedPipe(this.files[index] ?? -1),
    );
  }

  /** The chain, whose first process is `pid`, has made its pipes: begins to relay. */
  begin(pid: number): void {
    const directory = directoryOf(pid);
    for (const {number, end} of this.made) {
      const path = `${directory}/fd/${number}`;
      const index = NUMBERS.findIndex((each) => each === number);
      const file = this.files[index] ?? -1;
      if (end === 'reading') this.#relays.push(new InputRelay(file, path));
      else if (end === 'writing') this.#relays.push(new OutputRelay(file, NAMES[index] ?? '', path));
    }
  }

  /**
   * The command has ended, or was not started: waits until all that it wrote is where it belongs, and leaves its input
   * where it stopped reading.
   * @throws ChrootctlError FAILED when something could not be read or written
   */
  async end(): Promise<void> {
    if (this.#nothing !== undefined) closeSync(this.#nothing);
    const ends = await Promise.allSettled(this.#relays.splice(0).map((relay) => relay.finish()));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  #openNothing(): number {
    return (this.#nothing ??= openSync('/dev/null', 'r+'));
  }

  get #outputs(): [number, number] {
    return [this.files[1] ?? -1, this.files[2] ?? -1];
  }
}

/** The same failure as `Streams.end` throws. */
export function streamFailure({index, errno}: StreamFailure): ChrootctlError {
  return relayFailure(NAMES[index] ?? '', index === 0 ? 'read' : 'write', errno);
}

/** @throws ChrootctlError USAGE */
function mustBeRelayed(fd: number, index: number): boolean {
  const stats = fstatSync(fd);
  if (stats.isFIFO() || stats.isSocket()) return false;
  if (stats.isCharacterDevice()) {
    if (isHarmless(stats) || isatty(fd)) return false;
    // To wait for a device could take for ever.
    if (index === 0) throw unfit(index, 'a device of the host');
    return true;
  }
  if (stats.isFile() || stats.isBlockDevice()) return true;
  throw unfit(index, stats.isDirectory() ? 'a directory' : 'neither a file nor a pipe, socket or terminal');
}

function unfit(index: number, what: string): ChrootctlError {
  return new ChrootctlError(
    'USAGE',
    `${NAMES[index] ?? ''} is ${what}, which no command in a chroot can be given`,
    {
      hint:
        index === 0
          ? 'redirect it from a file, a pipe or /dev/null'
          : 'redirect it to a file, a pipe or /dev/null',
    },
  );
}

/** null, zero, full, random, urandom (1:3, 5, 7, 8, 9) and tty (5:0), which every sandbox has. */
function isHarmless({rdev}: Stats): boolean {
  return [0x103, 0x105, 0x107, 0x108, 0x109, 0x500].includes(rdev);
}

function isUnnamedPipe(fd: number): boolean {
  return fstatSync(fd).isFIFO() && readlinkSync(`/proc/self/fd/${fd}`).startsWith('pipe:');
}

/** Whether what is written to the one comes after what was written to the other, as after `2>&1`. */
function isSamePlace(one: number, other: number): boolean {
  const [a, b] = [fstatSync(one), fstatSync(other)];
  if (a.dev !== b.dev || a.ino !== b.ino || a.rdev !== b.rdev) return false;
  const [first, second] = [openFile(one), openFile(other)];
  return first.appends ? second.appends : first.position === second.position;
}
