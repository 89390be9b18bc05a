/** A command in a kept session. */
import {launch, type LaunchOptions} from '../sandbox/launch.ts';
import type {SandboxResult, SandboxSpec} from '../sandbox/spec.ts';
import {randomId} from '../ids.ts';
import type {RunOptions} from '../store/records.ts';
import type {Exec} from '../store/execs.ts';
import type {Store} from '../store/store.ts';
import {self, startOf} from '../system/identity.ts';
import {usable} from './kept.ts';
import {mergeOptions} from './merge.ts';
import {withPaused} from './pause.ts';
import {addPlaces, copiesIn} from './places.ts';
import {otherRoots, restoreRoot} from './root.ts';
import {sandboxSpec} from './spec.ts';

export interface ExecRequest {
  command: readonly string[];
  options?: RunOptions | undefined;
  /** Tell what it took. */
  measured?: boolean | undefined;
}

/** @throws ChrootctlError NOT_FOUND, BUSY */
export async function exec(
  store: Store,
  id: string,
  {command, options = {}, measured}: ExecRequest,
): Promise<SandboxResult> {
  const record = usable(store, id);
  // The record comes first: whoever wants to unmount the root, or to commit it, sees that it is in use.
  const running = store.execs.add({session: id, owner: self(), command: [...command], sandbox: null});
  try {
    const {result} = await undisturbed(store, running, async () => {
      const directory = await restoreRoot(store, usable(store, id));
      // As it is now: to bring the root back may have changed it.
      const {places} = usable(store, id);
      const spec = sandboxSpec({
        id: `${id}.${randomId(6)}`,
        root: {directory},
        command,
        config: record.config,
        options: mergeOptions(record.options, options),
        detach: otherRoots(store, id),
        placed: copiesIn(places),
        where: {image: record.image, version: record.version, session: id},
        measured,
      });
      return untilReady(spec, {
        lifeline: store.execs.lifeline(running.id),
        onPlaces: (made) => {
          const all = addPlaces(places, made);
          if (all.length > places.length) store.sessions.replace({...usable(store, id), places: all});
        },
        onStart: (pid) => {
          store.execs.replace({...running, sandbox: {pid, started: startOf(pid) ?? ''}});
        },
      });
    });
    return await result;
  } finally {
    store.execs.drop(running);
  }
}

/**
 * Runs `work` while nothing else of the session runs, not even the beginning of another command: places in the root are
 * looked up and then mounted on, by bubblewrap and by path. Whoever put a symbolic link there in between would have
 * mount points made for him anywhere on the host.
 */
async function undisturbed<T>(store: Store, {id, session}: Exec, work: () => Promise<T>): Promise<T> {
  return store.sessions.locked(session, async () => {
    const others = store.execs.runningIn(session).filter((exec) => exec.id !== id);
    return withPaused(others, work);
  });
}

interface Launched {
  result: Promise<SandboxResult>;
}

/** Starts the command and waits until its sandbox is complete, or has failed. */
async function untilReady(
  spec: SandboxSpec,
  {onPlaces, onStart, lifeline}: Required<Pick<LaunchOptions, 'onPlaces' | 'onStart' | 'lifeline'>>,
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
    const result = launch(spec, {lifeline, onPlaces, onStart: started, onReady: () => resolve({result})});
    const ended = (): void => resolve({result});
    result.then(ended, ended);
  });
}
