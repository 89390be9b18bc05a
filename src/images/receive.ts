/** A version from a stream of the driver's own format: as it was where it comes from, with message, labels and config. */
import {chunksOf, type Opened} from '../archive/source.ts';
import {ChrootctlError, toChrootctlError} from '../errors.ts';
import {parseTarget} from '../reference.ts';
import {pin, pinNothing, type PinFields} from '../session/pin.ts';
import {checkExpected, latestOf, type Committed} from '../session/publish.ts';
import type {DriverName} from '../storage/registry.ts';
import type {Incoming} from '../storage/stream-contract.ts';
import {parseRecord, VersionMemo, type VersionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {Interrupted} from '../system/interruption.ts';
import {formatSize} from '../units.ts';
import {newVersion, type NewImage} from './new-version.ts';
import {versionOfVolume} from './send.ts';

export interface ReceiveOptions extends NewImage {
  /** The driver whose format it is. */
  format: DriverName;
  /** Where the stream comes from, for the message of one that brings none. */
  origin: string;
  maxSize?: number | undefined;
  signal?: AbortSignal | undefined;
}

const FIELDS: PinFields = {kind: 'import', ephemeral: true, command: [], labels: {}, options: {}};

/**
 * @throws ChrootctlError BAD_INPUT; NOT_FOUND when what the stream builds on is not here; USAGE when the store has another
 *   driver. What came of a stream that broke off is kept, and the hint says how to go on.
 */
export async function receiveVersion(
  store: Store,
  opened: Opened,
  {target, format, origin, maxSize = Infinity, signal, ...options}: ReceiveOptions,
): Promise<Committed> {
  const {streams, name} = store.driver;
  if (streams === undefined || name !== format) {
    throw new ChrootctlError('USAGE', `this is a ${format} stream, and the store has the driver ${name}`, {
      hint: `import it into a store with the driver ${format} (--root, --driver ${format}), or export the version with --format tar`,
    });
  }
  const {image, tag} = parseTarget(target);
  const expected = await latestOf(store.image(image));
  checkExpected(store.image(image), {expected, tag, ...options});
  const source = chunksOf(opened);
  const incoming = await streams.open({...source, chunks: limited(source.chunks, maxSize)});
  const memo = memoOf(incoming);
  if (incoming.lacks !== undefined) throw baseMissing(incoming.lacks, memo);
  const parent = incoming.parent === null ? undefined : parentOf(store, incoming.parent, memo);
  const record =
    parent === undefined
      ? pinNothing(store, image, FIELDS)
      : (await pin(store, {image: parent.image, selector: {kind: 'version', prefix: parent.id}}, FIELDS))
          .record;
  const publication = {
    ...options,
    message: options.message ?? memo?.message ?? `import of ${origin}`,
    labels: {...memo?.labels, ...options.labels},
    image,
    tag,
    parent: parent?.id ?? null,
    expected,
    // What it mounts are paths of the machine that it comes from; a stream is not to choose what it sees of this one.
    config: memo === undefined ? record.config : {...memo.config, mounts: []},
    action: 'import' as const,
  };
  return newVersion(store, record, publication, async () => {
    try {
      await incoming.receive(record.volume, {signal});
    } catch (error) {
      const rest = (await streams.unfinished()).find(({id}) => id === record.volume);
      if (rest?.token === undefined) throw error;
      throw withHint(
        error,
        `${formatSize(rest.size)} of it are kept; to go on: chrootctl export --resume ${rest.token} - | chrootctl import - ${target}`,
      );
    }
  });
}

function memoOf({memo}: Incoming): VersionMemo | undefined {
  return memo === undefined
    ? undefined
    : parseRecord(VersionMemo, memo, "the stream's record of the version");
}

function parentOf(store: Store, volume: string, memo: VersionMemo | undefined): VersionRecord {
  const version = versionOfVolume(store, volume);
  if (version === undefined) throw baseMissing('ancestor', memo);
  return version;
}

function baseMissing(lacks: 'parent' | 'ancestor', memo: VersionMemo | undefined): ChrootctlError {
  const which =
    memo === undefined
      ? 'an earlier one'
      : lacks === 'parent' && memo.parent !== null
        ? `version ${memo.parent}, the parent of ${memo.image}@${memo.id}`
        : `an ancestor of ${memo.image}@${memo.id}`;
  return new ChrootctlError(
    'NOT_FOUND',
    `the stream is incremental and builds on ${which}, which is not here`,
    {
      hint: 'import that version first, from a stream too (--format zfs); or export this one without --from',
    },
  );
}

async function* limited(chunks: AsyncIterable<Buffer>, most: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > most) {
      throw new ChrootctlError('BAD_INPUT', `the stream is larger than ${formatSize(most)}`, {
        hint: 'allow more with --max-size',
      });
    }
    yield chunk;
  }
}

function withHint(error: unknown, hint: string): ChrootctlError {
  if (error instanceof Interrupted) return error.withHint(hint);
  const {code, message} = toChrootctlError(error);
  return new ChrootctlError(code, message, {hint, cause: error});
}
