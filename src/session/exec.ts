/** A command in a kept session. */
import {launch, type LaunchOptions} from '../sandbox/launch.ts';
import type {SandboxResult, SandboxSpec} from '../sandbox/spec.ts';
import {randomId} from '../ids.ts';
import type {Place} from '../sandbox/places.ts';
import type {RunOptions, SessionRecord} from '../store/records.ts';
import type {Exec} from '../store/execs.ts';
import type {Store} from '../store/store.ts';
import {self, startOf} from '../system/identity.ts';
import {usable} from './kept.ts';
import {mergeOptions} from './merge.ts';
import {withPaused} from './pause.ts';
import {copiesIn, notePlaces} from './places.ts';
import {isInterrupted} from './interrupted.ts';
import {mountedRoot, otherRoots, restoreRoot} from './root.ts';
import {canShare, entranceTo, makeSandbox, sandboxesIn, sandboxOf} from './sandbox.ts';
import {sandboxSpec} from './spec.ts';

export interface ExecRequest {
  command: readonly string[];
  options?: RunOptions | undefined;
  /** Tell what it took. */
  measured?: boolean | undefined;
}

/** @throws ChrootctlError NOT_FOUND, BUSY */
export async function exec(store: Store, id: string, request: ExecRequest): Promise<SandboxResult> {
  usable(store, id);
  // The record comes first: whoever wants to unmount the root, or to commit it, sees that it is in use.
  const running = store.execs.add({
    session: id,
    owner: self(),
    command: [...request.command],
    sandbox: null,
  });
  try {
    const {result} = await store.sessions.locked(id, () => begin(store, running, request));
    return await result;
  } finally {
    store.execs.drop(running);
  }
}

/** Starts the command. For the holder of the session's lock. */
async function begin(store: Store, running: Exec, request: ExecRequest): Promise<Launched> {
  const {session: id} = running;
  const paused = <T>(work: () => Promise<T>): Promise<T> => undisturbed(store, running, work);
  let record = usable(store, id);
  let directory = isInterrupted(record) ? null : mountedRoot(store, id);
  if (directory === null) {
    directory = await paused(() => restoreRoot(store, usable(store, id)));
    record = usable(store, id); // To bring the root back may have changed it.
  }
  const {own, spec} = specsOf(store, record, directory, request);
  const options = {
    lifeline: store.execs.lifeline(running.id),
    onStart: (pid: number): void => {
      store.execs.replace({...running, sandbox: {pid, started: startOf(pid) ?? ''}});
    },
  };
  if (!canShare(own, spec)) {
    const onPlaces = (made: readonly Place[]): void => notePlaces(store, id, made);
    return paused(() => untilReady(spec, {...options, onPlaces}));
  }
  if (sandboxOf(store, record) === undefined) {
    await paused(() => makeSandbox(store, own, id));
    record = usable(store, id);
  }
  return untilReady(spec, {...options, holder: entranceTo(store, record)});
}

/** What the session's sandbox is made by, and what the command's would be. */
function specsOf(
  store: Store,
  record: SessionRecord,
  directory: string,
  {command, options = {}, measured}: ExecRequest,
): {own: SandboxSpec; spec: SandboxSpec} {
  const {id, config, image, version, places} = record;
  const detach = otherRoots(store, id);
  const of = (words: readonly string[], all: RunOptions): SandboxSpec =>
    sandboxSpec({
      id: `${id}.${randomId(6)}`,
      root: {directory},
      command: words,
      config,
      options: all,
      detach,
      placed: copiesIn(places),
      where: {image, version, session: id},
      measured,
    });
  return {own: of([], record.options), spec: of(command, mergeOptions(record.options, options))};
}

/**
 * Runs `work` while nothing else of the session runs, not even the beginning of another command: places in the root are
 * looked up and then mounted on, by bubblewrap and by path. Whoever put a symbolic link there in between would have
 * mount points made for him anywhere on the host. (Who comes into a sandbox that is there finds all mounted.)
 */
async function undisturbed<T>(store: Store, {id, session}: Exec, work: () => Promise<T>): Promise<T> {
  const others = store.execs.runningIn(session).filter((exec) => exec.id !== id);
  return withPaused(sandboxesIn(store, usable(store, session), others), work);
}

interface Launched {
  result: Promise<SandboxResult>;
}

/** Starts the command and waits until its sandbox is complete, or has failed. */
async function untilReady(
  spec: SandboxSpec,
  {onStart, ...options}: LaunchOptions & Required<Pick<LaunchOptions, 'onStart'>>,
): Promise<Launched> {
  const started = (pid: number): void => {
    try {
      onStart(pid);
    } catch (error) {
      // What nobody could find must not run.
      process.kill(pid, 'SIGKILL');
      throw error;
    }
  };
  return new Promise((resolve) => {
    const result = launch(spec, {...options, onStart: started, onReady: () => resolve({result})});
    const ended = (): void => resolve({result});
    result.then(ended, ended);
  });
}
