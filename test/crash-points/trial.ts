/** One death: a command dies at one of its steps, and what it left is looked at, mended and compared. */
import {isDeepStrictEqual} from 'node:util';
import {collect, diagnose, removeSession} from '../../src/index.ts';
import {COMMANDS, type Command} from './commands.ts';
import type {Laboratory} from './laboratory.ts';
import {remainsOf} from './remains.ts';
import {filesOf, stateOf, versionsOf, type State} from './state.ts';
import type {Step} from './steps.ts';
import {World} from './world.ts';

/** A command that has been seen to run to its end. */
export interface Specimen {
  name: string;
  steps: Step[];
  before: State;
  after: State;
  /** The files when it had run to its end, and its sessions to theirs. */
  files: string[];
}

// A temporary file counts as left behind when it is a minute old: for the engine in this process, all are.
const now = Date.now.bind(Date);
Date.now = () => now() + 3_600_000;

/** Lets the command run once, and writes down its steps. @throws Error when it fails, or leaves something to mend */
export async function record(laboratory: Laboratory, name: string): Promise<Specimen> {
  return inWorld(laboratory, name, async (world, command) => {
    const known = await versionsOf(world);
    const before = await stateOf(world, known);
    const list = `${world.directory}.steps`;
    const {env, through} = laboratory.way.recording(world.directory, list);
    const {code, stderr} = await world.call(
      await command.words(world, laboratory.source),
      env,
      through,
      command.input,
    );
    if (code !== 0) throw new Error(`${name} ended with ${code}: ${stderr}`);
    const steps = laboratory.way.recorded(list, world.directory);
    const {problems} = await diagnose(await world.open());
    if (problems.length > 0) throw new Error(`${name} left ${problems.map(({what}) => what).join('; ')}`);
    const after = await stateOf(world, known);
    await endSessions(world);
    return {name, steps, before, after, files: filesOf(world)};
  });
}

/** Only where another process had copies of our mounts at that moment, as beside other tests: it may not come again. */
const LOOKS_ELSEWHERE = /^(?:start|started|ended) unshare$/;

/** What is wrong after the death; nothing if all is well. */
export async function die(laboratory: Laboratory, specimen: Specimen, step: Step): Promise<string[]> {
  return inWorld(laboratory, specimen.name, async (world, command) => {
    const known = await versionsOf(world);
    const words = await command.words(world, laboratory.source);
    const {env, through} = laboratory.way.dyingAt(world.directory, step);
    const {code, stderr} = await world.call(words, env, through, command.input);
    if (code === 0 && !stderr.includes('SIGKILL') && LOOKS_ELSEWHERE.test(step.name)) return [];
    if (!stderr.includes('SIGKILL')) return [`did not come to this step, but ended with ${code}: ${stderr}`];
    const problems: string[] = [];
    try {
      await stateOf(world, known); // Runs everything: the next commands work.
      if (command.again !== undefined) {
        const {code: ended, stderr: said} = await world.call(command.again);
        if (ended !== 0) problems.push(`once more it ended with ${ended}: ${said}`);
      }
      problems.push(...(await mend(world)));
      const state = await stateOf(world, known);
      problems.push(...differences(state, specimen), ...(command.check?.(world) ?? []));
      await endSessions(world);
      // Where it has all come about, the same is there as without the death.
      const files = fileChanges(specimen.files, filesOf(world));
      if (isDeepStrictEqual(state, specimen.after) && files !== '')
        problems.push(`the files differ: ${files}`);
      problems.push(...(await remainsOf(world)));
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
    return problems;
  });
}

async function endSessions(world: World): Promise<void> {
  const store = await world.open();
  for (const {id} of store.sessions.list()) await removeSession(store, id);
}

/** Has everything mended, by either of the two commands for it in turn; nothing may be left to mend then. */
export async function mend(world: World): Promise<string[]> {
  const store = await world.open();
  const {problems} = await diagnose(store);
  const vague = problems.filter(({what, fix}) => what === '' || fix === '');
  if (mended++ % 2 === 0) await collect(store);
  else await diagnose(store, {fix: true});
  const rest = await diagnose(store);
  return [
    ...vague.map(({kind}) => `doctor finds something (${kind}), and does not say what, or what to do`),
    ...rest.problems.map(({what}) => `after mending there still is: ${what}`),
  ];
}
let mended = 0;

/** Tags are the old ones or the new ones; of versions and sessions there are those that stay, and no others than new ones. */
export function differences(state: State, {before, after}: Pick<Specimen, 'before' | 'after'>): string[] {
  const problems: string[] = [];
  const isOld = isDeepStrictEqual(state.tags, before.tags);
  if (!isOld && !isDeepStrictEqual(state.tags, after.tags))
    problems.push(`the tags are ${JSON.stringify(state.tags)}`);
  for (const [name, policy] of Object.entries(state.policies))
    if (![before, after].some(({policies}) => isDeepStrictEqual(policies[name] ?? {}, policy)))
      problems.push(`what holds for ${name} is ${JSON.stringify(policy)}`);
  const contents = isOld ? before.contents : after.contents;
  if (!isDeepStrictEqual(state.contents, contents))
    problems.push(`a run finds ${JSON.stringify(state.contents)}, and not ${JSON.stringify(contents)}`);
  for (const [name, found] of Object.entries(state.sessions)) {
    const possible = [before.sessions[name], after.sessions[name]];
    // A new one that has not come to its command is what it was cloned from.
    if (before.sessions[name] === undefined) possible.push(...Object.values(before.contents));
    if (!possible.includes(found)) problems.push(`in the session ${name} there is '${found}'`);
  }
  problems.push(
    ...missingAndStrange('versions', state.versions, before.versions, after.versions),
    ...missingAndStrange(
      'sessions',
      ...([state, before, after].map(({sessions}) => Object.keys(sessions)) as [
        string[],
        string[],
        string[],
      ]),
    ),
  );
  return problems;
}

function missingAndStrange(
  what: string,
  found: readonly string[],
  before: readonly string[],
  after: readonly string[],
): string[] {
  const lost = before.filter((name) => after.includes(name) && !found.includes(name));
  const strange = found.filter((name) => !before.includes(name) && !after.includes(name));
  return [
    ...(lost.length > 0 ? [`${what} are lost: ${lost.join(', ')}`] : []),
    ...(strange.length > 0 ? [`${what} came of it: ${strange.join(', ')}`] : []),
  ];
}

function fileChanges(wanted: readonly string[], files: readonly string[]): string {
  const rest = [...files];
  const missing: string[] = [];
  for (const file of wanted) {
    const at = rest.indexOf(file);
    if (at === -1) missing.push(`-${file}`);
    else rest.splice(at, 1);
  }
  return [...missing, ...rest.map((file) => `+${file}`)].join(' ');
}

async function inWorld<T>(
  {driver, room, source}: Laboratory,
  name: string,
  work: (world: World, command: Command) => Promise<T>,
): Promise<T> {
  const command = COMMANDS[name];
  if (command === undefined) throw new Error(`there is no command '${name}' here`);
  const world = new World(room, driver);
  try {
    await command.prepare(world, source);
    return await work(world, command);
  } finally {
    world.destroy();
  }
}
