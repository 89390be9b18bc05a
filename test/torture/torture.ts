/**
 * Many processes that call every command on a few images, are killed, stopped and paused at random, on a disk that is
 * full at random times; and what must be true all the same.
 */
import {cpSync, statfsSync} from 'node:fs';
import {join} from 'node:path';
import {busyboxRoot, Cli} from '../cli/chrootctl.ts';
import {mountLoop} from '../contract/loop.ts';
import {temporaryDirectory} from '../temporary.ts';
import {Random} from '../vm/power-cut/random.ts';
import {answerOf, type Committed, type ListedVersion} from './answers.ts';
import {Ballast} from './ballast.ts';
import {Contents} from './contents.ts';
import {Disturber} from './disturbed.ts';
import {figuresOf, type Figures} from './figures.ts';
import {finish} from './finish.ts';
import {writeInto} from './generation.ts';
import {describe, Journal, type Call, type Disturbance, type Plan, type Problem} from './journal.ts';
import {judge, outcomeOf} from './judge.ts';
import {choose} from './operations.ts';
import {Places, type Place} from './places.ts';
import {IMAGES, pick, World} from './world.ts';

export type Driver = 'overlay' | 'btrfs' | 'directory';
export const DRIVERS: readonly Driver[] = ['overlay', 'btrfs', 'directory'];

export interface TortureOptions {
  driver: Driver;
  seed: number;
  /** How long the workers work. The last look takes more than a minute besides. */
  seconds: number;
  workers: number;
  /** Containers from which a part of the calls comes. Default: none. */
  containers?: number;
  /** All calls come from containers. */
  withoutHost?: boolean;
}

export interface TortureResult {
  figures: Figures;
  /** With the calls that led there; empty if all is well. */
  problems: string[];
}

/** Bytes: with less than that, a command may well find the disk full. */
const NEARLY_FULL = 24 << 20;
/** How often a worker looks into a version, instead of a call. */
const LOOKS = 0.06;
/** After so many problems there is enough to think about. */
const ENOUGH_PROBLEMS = 10;

/** The message of the versions that the images begin with. */
export const START = 'start';

export async function torture({
  driver,
  seed,
  seconds,
  workers,
  containers = 0,
  withoutHost = false,
}: TortureOptions): Promise<TortureResult> {
  const directory = temporaryDirectory();
  const room = mountLoop(driver === 'btrfs' ? 'btrfs' : 'ext4', directory);
  const cli = new Cli({store: join(room, 'store')});
  await cli.ok('init', '--driver', driver);
  const [journal, contents, ballast] = [new Journal(), new Contents(cli), new Ballast(room)];
  const world = new World(temporaryDirectory());
  const disturber = new Disturber(cli);
  const root = busyboxRoot();
  writeInto(root, START);
  for (const image of IMAGES) world.sawVersion(image, await cli.ok('import', root, image, '-m', START));

  // They have the mounts that there are now.
  const places = await Places.start(containers);

  const deadline = Date.now() + seconds * 1000;
  const goesOn = (): boolean => Date.now() < deadline && journal.problems.length < ENOUGH_PROBLEMS;
  await Promise.all([
    places.keepChanging(new Random(seed, driver, 'places'), goesOn, collectIn),
    ballast.keepComing(new Random(seed, driver, 'ballast'), goesOn),
    ...Array.from({length: workers}, (_, number) => work(`w${number}`)),
  ]);
  await places.end();
  const finished = await finish({cli, journal, contents, directory});
  const figures = figuresOf(journal.calls, {
    'containers killed': places.killed,
    'disk filled': ballast.times,
    'looks into versions': contents.looks,
    'versions looked into': contents.versions,
    problems: journal.problems.length,
    ...finished,
  });
  return {figures, problems: journal.problems.map((problem) => report(problem))};

  async function work(worker: string): Promise<void> {
    const random = new Random(seed, driver, worker);
    cpSync(root, join(world.directory, worker), {recursive: true, verbatimSymlinks: true});
    while (goesOn()) {
      if (random.happens(LOOKS)) await look(random);
      else await callOne(worker, random);
    }
  }

  async function callOne(worker: string, random: Random): Promise<void> {
    const number = journal.nextNumber();
    const plan = choose({random, world, worker, name: `${worker}-${number}`});
    const place = await places.choose(random, {withoutHost});
    await carryOut(number, plan, {disturbance: disturber.choose(random), random, place});
  }

  async function collectIn(place: Place): Promise<void> {
    const plan: Plan = {kind: 'gc', words: ['gc', '--json'], intent: {type: 'none'}};
    await carryOut(journal.nextNumber(), plan, {disturbance: 'none', random: new Random(seed), place});
  }

  async function carryOut(
    number: number,
    plan: Plan,
    how: {disturbance: Disturbance; random: Random; place: Place | undefined},
  ): Promise<void> {
    const began = Date.now();
    const outcome = await disturber.call(plan.kind, plan.words, how);
    const ended = Date.now();
    const isFull = ballast.wasFull(began, ended) || isNearlyFull();
    const call = {...plan, ...outcome, number, began, ended, isElsewhere: how.place !== undefined, isFull};
    const known: Call = {...call, outcome: outcomeOf(call)};
    journal.calls.push(known);
    judge(journal, known);
    if (known.outcome === 'done') learn(known);
  }

  /** What a call that came to its end tells of the store. */
  function learn(call: Call): void {
    if (call.kind === 'images') {
      for (const {image, version} of (answerOf(call) as ListedVersion[] | undefined) ?? []) {
        world.sawVersion(image, version);
        journal.saw(`${image}@${version}`, call.began);
      }
    } else if (call.kind === 'ps') {
      world.sawSessions(
        ((answerOf(call) as {id: string; ephemeral: boolean}[] | undefined) ?? [])
          .filter(({ephemeral}) => !ephemeral)
          .map(({id}) => id),
      );
    } else if (call.intent.type === 'commit') {
      const committed = answerOf(call) as Committed | undefined;
      if (committed === undefined) return;
      world.sawVersion(committed.image, committed.version);
      if (call.intent.generation !== null)
        journal.expected.set(`${committed.image}@${committed.version}`, call.intent.generation);
    }
  }

  async function look(random: Random): Promise<void> {
    const reference = world.version(random, pick(random, IMAGES));
    if (!reference.includes('@')) return;
    const began = Date.now();
    const {problem, failure} = await contents.look(reference, journal.expected.get(reference));
    if (problem !== undefined) journal.problem(problem);
    else if (failure === undefined) journal.saw(reference, began);
    else if (!/NOT_FOUND|BUSY/.test(failure) && !ballast.wasFull(began, Date.now()) && !isNearlyFull())
      journal.problem(`${reference} cannot be read: ${failure}`);
  }

  function isNearlyFull(): boolean {
    const {bavail, bsize} = statfsSync(room);
    return bavail * bsize < NEARLY_FULL;
  }

  function report({what, calls}: Problem): string {
    const first = calls[0];
    const around = first === undefined ? journal.calls.slice(-8) : beside(first);
    const lines = [...new Set([...calls, ...around])].map(
      (call) => `    ${calls.includes(call) ? '>' : ' '} ${describe(call)}`,
    );
    return [`seed ${seed}, ${driver}: ${what}`, ...lines].join('\n');
  }

  /** Calls that ran while this one did, or shortly before. */
  function beside({began, ended}: Call): Call[] {
    return journal.calls.filter((other) => other.ended >= began - 1000 && other.began <= ended).slice(-12);
  }
}
