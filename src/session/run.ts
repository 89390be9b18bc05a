/**
 * The main job: a command in a fresh clone of a version, which is thrown away afterwards, or becomes the next version
 * when the command succeeded and that was asked for.
 */
import {afterwards, ChrootctlError} from '../errors.ts';
import {formatReference, type Reference} from '../reference.ts';
import {is32Bit} from '../sandbox/architecture.ts';
import {certificatesHint} from '../sandbox/certificates.ts';
import {launch} from '../sandbox/launch.ts';
import {viewsOf} from '../sandbox/volumes.ts';
import type {SandboxResult} from '../sandbox/spec.ts';
import type {Succession} from '../sandbox/succession.ts';
import {Incomplete, telling, type Tell} from '../store/commit-point.ts';
import type {RunOptions, SessionRecord} from '../store/records.ts';
import {readReference} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import {Interrupted, toTheEnd} from '../system/interruption.ts';
import {begin} from './begin.ts';
import {commitSession} from './commit.ts';
import {isConflict, keptConflict} from './conflict.ts';
import {discard} from './discard.ts';
import {exec} from './exec.ts';
import {committedAs, keptFailure} from './failed-commit.ts';
import {isReadOnlyStore, pin, type Pinned} from './pin.ts';
import {keepClone} from './keep.ts';
import {removePlaces} from './places.ts';
import {checkExpected, checkOwnTag, madeOf, publish, type CommitOptions, type Committed} from './publish.ts';
import {otherRoots} from './root.ts';
import {limitOf, sandboxSpec} from './spec.ts';
import {runUnrecorded} from './unrecorded.ts';
import {hasChanged} from './unsaved.ts';

export interface RunRequest {
  reference: string | Reference;
  /** Empty: what the version's config says, else a shell. */
  command: readonly string[];
  options?: RunOptions | undefined;
  labels?: Record<string, string> | undefined;
  /** `native`: a clone of the driver's own kind, whatever is made sooner where nothing of it is kept. */
  clone?: 'auto' | 'native' | undefined;
  /** Make a version of the result, if the command ends with 0. */
  commit?: CommitOptions | undefined;
  /** What becomes of a result that cannot be committed because a tag has moved. Default: it is kept as a session. */
  onConflict?: 'keep' | 'discard' | undefined;
  /** The same for what a command has done that ended with another code than 0. Default: it is thrown away. */
  onFailure?: 'keep' | 'discard' | undefined;
  /** Keep the session, under a name if one is given. */
  keep?: boolean | undefined;
  name?: string | undefined;
  /** Tell what the command took. */
  measured?: boolean | undefined;
  /**
   * This process is there for nothing but this run: where nothing of it is kept the supervisor may take its place, and
   * then this does not come back. See `concludeRun`.
   */
  mayBeSucceeded?: boolean | undefined;
}

export interface RunResult extends SandboxResult {
  committed?: Committed;
  /** What became of a commit that was asked for, when the command failed. */
  uncommitted?: Uncommitted;
  /** Id of the session, where it was kept. */
  session?: string;
  /** What may help against how it ended. */
  advice?: string;
}

export interface Uncommitted {
  image: string;
  /** The version on which the command ran. */
  parent: string | null;
  /** What became of all that the command has done; `unchanged`: it has done nothing to the root. */
  work: 'kept' | 'discarded' | 'unchanged';
}

/** @throws ChrootctlError; when a commit fails, CONFLICT if it came too late: the result is then kept as a session */
export async function run(store: Store, request: RunRequest): Promise<RunResult> {
  checkOwnTag(request.commit?.tag); // Before the command runs in vain.
  return request.keep === true || request.name !== undefined
    ? runKept(store, request)
    : telling((tell) => runEphemeral(store, request, tell));
}

async function runEphemeral(store: Store, request: RunRequest, tell: Tell): Promise<RunResult> {
  const reference =
    typeof request.reference === 'string' ? readReference(store, request.reference) : request.reference;
  let pinned: Pinned;
  try {
    pinned = await pin(store, reference, {
      kind: 'run',
      ephemeral: true,
      command: [...request.command],
      labels: request.labels ?? {},
      options: request.options ?? {},
    });
  } catch (error) {
    const {options, commit} = request;
    if (options?.readOnly === true && commit === undefined && isReadOnlyStore(error))
      return runUnrecorded(store, reference, request);
    throw error;
  }
  const fate: Fate = {isKept: false, published: []};
  // From before the first write on.
  const endWatch = request.commit === undefined ? undefined : store.driver.watch?.();
  // Whoever asks to stop now has what he wants.
  const end = (): Promise<void> =>
    toTheEnd(async () => {
      endWatch?.();
      await fate.letGo?.();
      if (!fate.isKept) await discard(store, pinned.record, fate.published);
    });
  let result: RunResult;
  try {
    result = await runInClone(store, request, pinned, {fate, tell});
  } catch (error) {
    throw await afterwards(error, end);
  }
  await end();
  return result;
}

/** What became of a clone when its command had ended. */
interface Fate {
  isKept: boolean;
  /** Volumes that belong to a version now. */
  published: string[];
  /** Ends what keeps it mounted. */
  letGo?: (() => Promise<void>) | undefined;
}

async function runInClone(
  store: Store,
  request: RunRequest,
  {record: pinned, version}: Pinned,
  {fate, tell}: {fate: Fate; tell: Tell},
): Promise<RunResult> {
  const {command, commit} = request;
  const {options} = pinned;
  let record = pinned;
  await store.driver.create(record.volume, {
    parent: version.volume,
    ephemeral: true,
    ...(commit === undefined && options.storage === undefined && request.clone !== 'native'
      ? {mayBeOverlay: suitsOverlay}
      : {}),
    ...limitOf(options),
  });
  if (commit !== undefined) fate.letGo = await store.driver.hold?.(record.volume);
  const root = {plan: await store.driver.plan(record.volume), mountPoint: store.layout.mounts};
  const ending = await launch(
    sandboxSpec({
      id: record.id,
      root,
      command,
      config: version.config,
      options,
      detach: otherRoots(store),
      where: {image: version.image, version: version.id, session: record.id},
      measured: request.measured,
    }),
    {
      lifeline: store.sessions.lifeline(record.id),
      succession:
        request.mayBeSucceeded === true && commit === undefined ? successionOf(store, record) : undefined,
      onPlaces: (places) => (record = {...record, places: [...places]}),
    },
  );
  const advice = certificatesHint(ending.exitCode, root.plan.layers);
  const result: RunResult = {...ending, ...(advice === undefined ? {} : {advice})};
  if (commit === undefined) return result;
  if (result.exitCode !== 0) {
    fate.isKept = request.onFailure === 'keep' && (await hasChanged(store, record));
    const {trouble} = fate.isKept ? await keepClone(store, record) : {};
    if (trouble !== undefined) throw trouble;
    const work = fate.isKept ? 'kept' : request.onFailure === 'keep' ? 'unchanged' : 'discarded';
    const uncommitted: Uncommitted = {image: record.image, parent: record.version, work};
    return {...result, uncommitted, ...(fate.isKept ? {session: record.id} : {})};
  }
  try {
    const committed = await publishRun(store, record, commit, (done) => {
      fate.published = [record.volume];
      tell(done);
    });
    return {...result, committed};
  } catch (error) {
    // What was told of is committed.
    if (fate.published.length > 0) throw error;
    if (isConflict(error) && request.onConflict === 'discard') throw error;
    // As while the command runs: who ends it gives it up.
    if (error instanceof Interrupted) throw error;
    // Whatever else it failed for: it is somebody's work.
    fate.isKept = true;
    const kept = await keepClone(store, record);
    if (isConflict(error)) throw keptConflict(error, record.id, kept);
    const committed = store.driver.ledger && committedAs(store, record);
    if (committed === undefined) throw keptFailure(error, record, commit, kept);
    tell(madeOf(committed));
    throw error;
  }
}

/** Files of two file systems in one have numbers that 32-bit programs cannot be told (EOVERFLOW of stat(2)). */
function suitsOverlay(layers: readonly string[]): boolean {
  try {
    return !is32Bit(viewsOf(layers));
  } catch (error) {
    // Links in a circle, a file where a directory should be: whatever such a root is for.
    if (error instanceof ChrootctlError) return false;
    throw error;
  }
}

function successionOf(store: Store, {id, volume}: SessionRecord): Succession | undefined {
  const removal = store.driver.plainRemoval?.(volume);
  return removal && {id, record: store.layout.session(id), removal};
}

async function publishRun(
  store: Store,
  record: SessionRecord,
  commit: CommitOptions,
  tell: Tell,
): Promise<Committed> {
  const expected = record.version;
  checkExpected(store.image(record.image), {...commit, expected});
  return publish(store, {
    message: record.command.join(' '),
    ...commit,
    labels: {...record.labels, ...commit.labels},
    image: record.image,
    parent: record.version,
    expected,
    config: record.config,
    action: 'commit',
    tell,
    freeze: async (note) => {
      await removePlaces(store, record);
      await store.driver.freeze(record.volume, note);
      return record.volume;
    },
  });
}

/** The session outlives its command, so its root is mounted where `exec` will find it. */
async function runKept(store: Store, request: RunRequest): Promise<RunResult> {
  const {record} = await begin(
    store,
    typeof request.reference === 'string' ? request.reference : formatReference(request.reference),
    {
      name: request.name,
      labels: request.labels,
      options: request.options,
      command: request.command,
    },
  );
  const result = await exec(store, record.id, {command: request.command, measured: request.measured});
  if (request.commit === undefined) return {...result, session: record.id};
  if (result.exitCode !== 0) {
    const uncommitted: Uncommitted = {image: record.image, parent: record.version, work: 'kept'};
    return {...result, uncommitted, session: record.id};
  }
  const {id} = record;
  const options = {message: request.command.join(' '), ...request.commit};
  try {
    return {...result, committed: await commitSession(store, id, options), session: id};
  } catch (error) {
    // A conflict says it by itself.
    if (isConflict(error) || error instanceof Incomplete) throw error;
    throw keptFailure(error, record, request.commit, {isSession: true});
  }
}
