/**
 * Cuts the power of a machine that commits, as often as wanted, and looks what is left. The machine runs once, on a disk
 * of which QEMU logs every write; from the log come the disks that a power cut at any moment could have left behind,
 * and another machine brings each of them up again.
 */
import {closeSync, existsSync, openSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {bundle} from '../bundle.ts';
import {runGuest} from '../guest.ts';
import {withWork} from '../work.ts';
import type {Job, Verdict} from './check.ts';
import {crash, type Crash} from './crash.ts';
import {makeDisk, MARK_SIZE, MARKS, parseMark, type Acknowledged} from './disk.ts';
import {Random} from './random.ts';
import {readerOf, Replay} from './replay.ts';
import type {Driver} from './drivers.ts';
import {parseWriteLog, type LogEntry, type ReadLog} from './write-log.ts';

export interface CutOptions {
  driver: Driver;
  /** For so long commits are made. */
  seconds: number;
  /** Numbers of the cuts to make. */
  cuts: readonly number[];
  seed: number;
  /** A directory for the log and the disks. A log that is there already is used again. */
  directory: string;
  onProgress?: ((line: string) => void) | undefined;
}

export interface Cut extends Crash, Verdict {
  /** Commits that were acknowledged before it. */
  acknowledged: number;
}

export interface CutResult {
  /** In the log. */
  entries: number;
  flushes: number;
  /** In all. */
  acknowledged: number;
  /** In the order in which the power was cut. */
  cuts: Cut[];
}

const PROGRAMS = ['test/vm/power-cut/load.ts', 'test/vm/power-cut/check.ts'];

/** Disks of one guest; there is a PCI address for no more. */
const BATCH = 12;

/** Milliseconds, both many times what is needed: other guests may want the same processors. */
const START_TIMEOUT = 900_000;
const CUT_TIMEOUT = 300_000;

/** Chances of a cut that comes as soon as a commit was acknowledged, and of one that comes just before a flush. */
const AT_ONCE = 0.3;
const BEFORE_FLUSH = 0.3;

export async function cutPower(options: CutOptions): Promise<CutResult> {
  const {driver, directory} = options;
  const log = join(directory, `${driver}.log`);
  return withWork(async (work) => {
    await bundle([], PROGRAMS, work);
    if (!existsSync(log)) await recordLoad(options, work, log);
    const fd = openSync(log, 'r');
    try {
      return await checkCuts(options, work, readerOf(fd));
    } finally {
      closeSync(fd);
    }
  });
}

async function recordLoad(
  {driver, seconds, directory, onProgress}: CutOptions,
  work: string,
  log: string,
): Promise<void> {
  const disk = join(directory, `${driver}.disk`);
  makeDisk(disk);
  writeFileSync(log, '');
  try {
    await runScript(work, `node test/vm/power-cut/load.mjs ${driver} ${seconds}`, {
      timeout: START_TIMEOUT + seconds * 2000,
      onProgress,
      qemu: [
        ...['-blockdev', `driver=file,filename=${disk},node-name=disk,cache.no-flush=on`],
        ...['-blockdev', `driver=file,filename=${log},node-name=log,cache.no-flush=on`],
        ...['-blockdev', 'driver=blklogwrites,file=disk,log=log,node-name=logged'],
        ...['-device', 'virtio-blk-pci,drive=logged,write-cache=on,addr=0x18'],
      ],
    });
  } catch (error) {
    // No log is better than half of one.
    rmSync(log);
    throw error;
  } finally {
    rmSync(disk);
  }
}

async function checkCuts(options: CutOptions, work: string, read: ReadLog): Promise<CutResult> {
  const {driver, directory} = options;
  const entries = parseWriteLog(read);
  const {ready, acknowledged} = marksIn(entries, read);
  const planned = options.cuts
    .map((number) => {
      const random = new Random(options.seed, driver, number);
      const cut = placeOfCut(entries, ready, acknowledged, random);
      return {number, crash: crash(entries, cut, random)};
    })
    .sort((a, b) => a.crash.cut - b.crash.cut);

  const base = join(directory, `${driver}.flushed`);
  makeDisk(base);
  const replay = new Replay(entries, read, base);
  const cuts: Cut[] = [];
  for (let at = 0; at < planned.length; at += BATCH) {
    const batch = planned.slice(at, at + BATCH).map((plan, index) => ({
      ...plan,
      acknowledged: acknowledged.filter(({entry}) => entry < plan.crash.cut).map(({commit}) => commit),
      image: join(directory, `${driver}-${plan.number}.disk`),
      disk: `/dev/vd${String.fromCharCode('c'.charCodeAt(0) + index)}`,
    }));
    for (const {crash, image} of batch) replay.makeImage(crash, image);
    const verdicts = await verdictsOn(batch, options, work);
    for (const {number, crash, acknowledged, image} of batch) {
      cuts.push({...crash, ...verdicts(number), acknowledged: acknowledged.length});
      rmSync(image);
    }
  }
  rmSync(base);
  return {
    entries: entries.length,
    flushes: entries.filter(({isFlush}) => isFlush).length,
    acknowledged: acknowledged.length,
    cuts,
  };
}

/** What the load took down, and where in the log. */
function marksIn(
  entries: readonly LogEntry[],
  read: ReadLog,
): {ready: number; acknowledged: {entry: number; commit: Acknowledged}[]} {
  let ready: number | undefined;
  const acknowledged: {entry: number; commit: Acknowledged}[] = [];
  for (const [entry, {offset, length, data}] of entries.entries()) {
    if (
      data === undefined ||
      length !== MARK_SIZE ||
      offset < MARKS.start ||
      offset >= MARKS.start + MARKS.size
    )
      continue;
    const mark = parseMark(read(data, length));
    if (mark === 'ready') ready = entry;
    else acknowledged.push({entry, commit: mark});
  }
  if (ready === undefined) throw new Error('the log ends before the load began');
  return {ready, acknowledged};
}

/** Anywhere under load, and often where most is at stake, or where most has not been flushed yet. */
function placeOfCut(
  entries: readonly LogEntry[],
  ready: number,
  acknowledged: readonly {entry: number}[],
  random: Random,
): number {
  const kind = random.fraction();
  const anywhere = ready + 1 + random.below(entries.length - ready);
  if (kind < AT_ONCE) {
    const later = acknowledged.filter(({entry}) => entry > ready);
    return later.length === 0 ? anywhere : later[random.below(later.length)]!.entry + 1;
  }
  if (kind > AT_ONCE + BEFORE_FLUSH) return anywhere;
  const flush = entries.findIndex(({isFlush}, entry) => isFlush && entry >= anywhere);
  return flush < 0 ? anywhere : flush;
}

interface BatchCut {
  number: number;
  image: string;
  disk: string;
  acknowledged: Acknowledged[];
}

/** Has a guest look at these disks. Gives what it said of each; that it said nothing is a problem too. */
async function verdictsOn(
  batch: readonly BatchCut[],
  {driver, onProgress}: CutOptions,
  work: string,
): Promise<(number: number) => Verdict> {
  const job: Job = {
    driver,
    cuts: batch.map(({number, disk, acknowledged}) => ({number, disk, acknowledged})),
  };
  writeFileSync(join(work, 'job.json'), JSON.stringify(job));
  const verdicts = new Map<number, Verdict>();
  let failure = 'the guest said nothing of it';
  try {
    // A day later, so that whatever was left is old enough to be collected.
    await runScript(work, 'date -s tomorrow >/dev/null\nnode test/vm/power-cut/check.mjs job.json', {
      timeout: START_TIMEOUT + batch.length * CUT_TIMEOUT,
      disks: batch.map(({image}) => image),
      onProgress,
      onReport: (line) => {
        const verdict = JSON.parse(line) as Verdict;
        verdicts.set(verdict.number, verdict);
        onProgress?.(`cut ${verdict.number}: ${verdict.problems.join('; ') || 'all is well'}`);
      },
    });
  } catch (error) {
    failure = (error as Error).message;
  }
  return (number) =>
    verdicts.get(number) ?? {number, problems: [failure], mended: [], old: 0, new: 0, seconds: 0};
}

/** @throws Error with what it printed when it fails */
async function runScript(
  work: string,
  script: string,
  options: Omit<Parameters<typeof runGuest>[0], 'work'> & {onProgress: CutOptions['onProgress']},
): Promise<void> {
  writeFileSync(join(work, 'run.sh'), `export NODE_COMPILE_CACHE=/tmp/compiled\n${script}\n`);
  const printed: string[] = [];
  const code = await runGuest({
    ...options,
    work,
    onLine: (line) => {
      printed.push(line);
      options.onProgress?.(line);
    },
  });
  if (code !== 0) throw new Error(`the guest's script ended with exit code ${code}:\n${printed.join('\n')}`);
}
