/** Every command, as the workers call it. */
import {execFileSync} from 'node:child_process';
import {join} from 'node:path';
import type {Random} from '../vm/power-cut/random.ts';
import {READ_COMMAND, writeCommand, writeInto} from './generation.ts';
import type {Plan} from './journal.ts';
import {PASSING_IMAGE, pick, SAFE_IMAGES, SESSION_IMAGE, type World} from './world.ts';

export interface Hand {
  random: Random;
  world: World;
  worker: string;
  /** A name that no other call has. */
  name: string;
}

type Operation = (hand: Hand) => Omit<Plan, 'kind'>;

const NONE = {type: 'none'} as const;
const COMMITTED_IMAGES = [...SAFE_IMAGES, PASSING_IMAGE];

function quietly(words: readonly string[], name: string): string[] {
  return [...words, '--quiet', '--json', '-m', name];
}

/** Which part of all calls each is, in thousandths or so. */
export const OPERATIONS: Record<string, [weight: number, operation: Operation]> = {
  run: [
    12,
    ({random, world}) => {
      const image = pick(random, COMMITTED_IMAGES);
      const words = ['run', world.reference(random, image), '--json', '--quiet', '--', ...READ_COMMAND];
      return {words, intent: {type: 'read'}};
    },
  ],
  'run latest': [
    10,
    ({random}) => {
      const words = ['run', pick(random, SAFE_IMAGES), '--json', '--quiet', '--', ...READ_COMMAND];
      // It is always there, and never on its way out.
      return {words, intent: {type: 'read'}, mayFail: []};
    },
  ],
  'run --commit': [
    7,
    ({random, world, name}) => {
      const image = pick(random, COMMITTED_IMAGES);
      const commit = random.happens(0.7) ? '--commit' : `--commit=${world.tag(random)}`;
      const words = [...quietly(['run', image, commit], name), '--', ...writeCommand(name)];
      return {words, intent: {type: 'commit', image, name, generation: name, follows: commit === '--commit'}};
    },
  ],
  update: [
    9,
    ({random, name}) => {
      const image = pick(random, COMMITTED_IMAGES);
      const words = [
        ...quietly(['update', image, '--retries', `${random.below(3)}`], name),
        '--',
        ...writeCommand(name),
      ];
      const mayFail = image === PASSING_IMAGE ? undefined : ['CONFLICT'];
      return {
        words,
        intent: {type: 'commit', image, name, generation: name, follows: true},
        ...(mayFail === undefined ? {} : {mayFail}),
      };
    },
  ],
  'run --name': [
    2,
    ({random, world, worker, name}) => {
      const session = world.awaySession(worker);
      const words = ['run', pick(random, SAFE_IMAGES), '--name', session, '--json', '--quiet'];
      return {words: [...words, '--', ...writeCommand(name)], intent: {type: 'begin', session, name}};
    },
  ],
  'import directory': [4, (hand) => importing(hand, hostRoot(hand))],
  'import tar': [
    3,
    (hand) => {
      const tar = join(hand.world.directory, `${hand.worker}.tar`);
      execFileSync('tar', ['-C', hostRoot(hand), '-cf', tar, '.']);
      return importing(hand, tar);
    },
  ],
  export: [
    2,
    ({random, world, worker}) => {
      const reference = world.reference(random, pick(random, SAFE_IMAGES));
      const words = ['export', reference, join(world.directory, `${worker}-out.tar`), '--json'];
      return {words, intent: NONE};
    },
  ],
  'import exported': [
    1,
    ({world, worker, name}) => {
      const words = quietly(['import', join(world.directory, `${worker}-out.tar`), PASSING_IMAGE], name);
      return {words, intent: {type: 'commit', image: PASSING_IMAGE, name, generation: null, follows: false}};
    },
  ],
  'session begin': [
    6,
    ({random, world, worker}) => {
      const session = world.ownSession(random, worker);
      const image = world.isAtHome(session) ? SESSION_IMAGE : pick(random, SAFE_IMAGES);
      const words = ['session', 'begin', image, '--name', session, '--json'];
      return {words, intent: {type: 'begin', session, name: null}};
    },
  ],
  exec: [
    8,
    ({random, world, worker, name}) => {
      const session = world.session(random, worker);
      const words = ['exec', session, '--json', '--quiet', '--', ...writeCommand(name)];
      return {words, intent: {type: 'write', session, generation: name}};
    },
  ],
  commit: [
    5,
    ({random, world, worker, name}) => {
      const session = world.session(random, worker);
      const target = world.isAtHome(session) && random.happens(0.7) ? [] : [`${SESSION_IMAGE}:${name}`];
      const words = quietly(['commit', session, ...target], name);
      return {words: random.happens(0.2) ? [...words, '--force'] : words, intent: ofSession(session, name)};
    },
  ],
  'session end --commit': [
    2,
    ({random, world, worker, name}) => {
      const session = world.session(random, worker);
      const to = world.isAtHome(session) && random.happens(0.7) ? [] : ['--to', `${SESSION_IMAGE}:${name}`];
      const words = quietly(['session', 'end', session, '--commit', ...to], name);
      return {words, intent: ofSession(session, name)};
    },
  ],
  'session end': [
    2,
    ({random, world, worker}) => {
      const session = world.session(random, worker);
      return {words: ['session', 'end', session, '--json'], intent: {type: 'end', session}};
    },
  ],
  'session rm': [
    3,
    ({random, world, worker}) => {
      const session = world.session(random, worker);
      const force = random.happens(0.6) ? ['--force'] : [];
      return {words: ['session', 'rm', session, ...force, '--json'], intent: {type: 'end', session}};
    },
  ],
  'session path': [
    1,
    ({random, world, worker}) => ({
      words: ['session', 'path', world.session(random, worker), '--json'],
      intent: NONE,
    }),
  ],
  tag: [
    4,
    ({random, world}) => {
      const image = world.image(random);
      return {
        words: ['tag', world.reference(random, image), world.tag(random), '--json'],
        intent: {type: 'move', image},
      };
    },
  ],
  untag: [
    2,
    ({random, world}) => {
      const image = world.image(random);
      return {words: ['untag', `${image}:${world.tag(random)}`, '--json'], intent: {type: 'move', image}};
    },
  ],
  rollback: [
    2,
    ({random, world}) => {
      const image = world.image(random);
      const to = random.happens(0.6) ? [] : [world.reference(random, image)];
      return {words: ['rollback', image, ...to, '--json'], intent: {type: 'move', image}};
    },
  ],
  'rm version': [
    3,
    ({random, world}) => {
      const image = world.image(random);
      const force = image === SESSION_IMAGE && random.happens(0.4) ? ['--force'] : [];
      const words = ['rm', world.version(random, image), ...force, '--json'];
      const all = words[1] === image;
      // A safe image is never removed: without --force one that has tags stays.
      return {words, intent: {type: 'remove', image, all: all && force.length > 0}};
    },
  ],
  'rm image': [
    1,
    () => ({
      words: ['rm', PASSING_IMAGE, '--force', '--json'],
      intent: {type: 'remove', image: PASSING_IMAGE, all: true},
    }),
  ],
  prune: [
    3,
    ({random, world}) => {
      const image = random.happens(0.5) ? world.image(random) : null;
      const words = [
        'prune',
        ...(image === null ? [] : [image]),
        '--keep',
        `${2 + random.below(6)}`,
        '--json',
      ];
      return {words, intent: {type: 'remove', image, all: false}};
    },
  ],
  gc: [4, () => ({words: ['gc', '--json'], intent: NONE})],
  'gc --dry-run': [1, () => ({words: ['gc', '--dry-run', '--json'], intent: NONE, mayFail: []})],
  doctor: [1, () => ({words: ['doctor', '--json'], intent: NONE, mayFail: []})],
  'doctor --fix': [3, () => ({words: ['doctor', '--fix', '--json'], intent: NONE, mayFail: []})],
  images: [5, () => ({words: ['images', '--json'], intent: NONE, mayFail: []})],
  history: [
    2,
    ({random}) => ({
      words: ['history', pick(random, COMMITTED_IMAGES), '--json'],
      intent: NONE,
      mayFail: ['NOT_FOUND'],
    }),
  ],
  inspect: [
    2,
    ({random, world}) => ({
      words: ['inspect', world.reference(random, world.image(random)), '--json'],
      intent: NONE,
      mayFail: ['NOT_FOUND'],
    }),
  ],
  diff: [
    2,
    ({random, world}) => {
      const image = pick(random, SAFE_IMAGES);
      const other = world.version(random, image);
      return {words: ['diff', image, other, '--json'], intent: NONE};
    },
  ],
  'diff of a session': [
    1,
    ({random, world, worker}) => ({
      words: ['diff', world.session(random, worker), '--json'],
      intent: NONE,
      // One without a parent is wrongly used.
      mayFail: ['NOT_FOUND', 'BUSY', 'USAGE'],
    }),
  ],
  ps: [2, () => ({words: ['ps', '--json'], intent: NONE, mayFail: []})],
  'session list': [1, () => ({words: ['session', 'list', '--json'], intent: NONE, mayFail: []})],
  info: [1, () => ({words: ['info', '--json'], intent: NONE, mayFail: []})],
};

const TOTAL = Object.values(OPERATIONS).reduce((sum, [weight]) => sum + weight, 0);

export function choose(hand: Hand): Plan {
  let at = hand.random.fraction() * TOTAL;
  for (const [kind, [weight, operation]] of Object.entries(OPERATIONS)) {
    if ((at -= weight) < 0) return {kind, ...operation(hand)};
  }
  throw new Error('the weights add up to less than their sum');
}

function ofSession(session: string, name: string): Plan['intent'] {
  return {type: 'commit', image: SESSION_IMAGE, name, generation: null, follows: false, session};
}

function importing({random, name}: Hand, source: string): Omit<Plan, 'kind'> {
  // The passing image most of all: it is not always there.
  const image = random.happens(0.5) ? PASSING_IMAGE : pick(random, SAFE_IMAGES);
  return {
    words: quietly(['import', source, image], name),
    intent: {type: 'commit', image, name, generation: name, follows: false},
    mayFail: ['CONFLICT'],
  };
}

/** The worker's own root on the host, with a new generation. */
function hostRoot({world, worker, name}: Hand): string {
  const root = join(world.directory, worker);
  writeInto(root, name);
  return root;
}
