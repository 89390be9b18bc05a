/** Versions out, as streams of the driver's own format: whole, as the difference to an ancestor, or the rest of one. */
import {COMPRESSORS} from '../archive/compression.ts';
import {compressed} from '../archive/filter.ts';
import {checkEnded, writeOutput, type Output} from '../archive/output.ts';
import type {PackOptions} from '../archive/pack.ts';
import {ChrootctlError} from '../errors.ts';
import {whilePinned} from '../session/pin.ts';
import {telling} from '../store/commit-point.ts';
import type {Sending, VolumeStreams} from '../storage/stream-contract.ts';
import type {VersionRecord} from '../store/records.ts';
import {readReference} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import {placing} from './export.ts';

export interface StreamOptions extends PackOptions {
  /** An ancestor of the version, which the receiver has: only the difference is written. */
  from?: string | undefined;
}

/**
 * @param out as for exportVersion()
 * @throws ChrootctlError USAGE when the driver has no streams, or `from` is no ancestor; NOT_FOUND, FAILED
 */
export async function exportStream(
  store: Store,
  reference: string,
  out: Output,
  {from, ...options}: StreamOptions,
): Promise<void> {
  const streams = streamsOf(store);
  // Blocks that are compressed already would only be compressed once more.
  const compressedBlocks = options.compression === 'none';
  await telling((tell) =>
    whilePinned(store, readReference(store, reference), 'export', async (version) => {
      const send = async (base?: VersionRecord): Promise<void> => {
        const sending = await streams.send(version.volume, {from: base?.volume, compressedBlocks});
        await placing({version, out, tell}, () => write(sending, out, options));
      };
      if (from === undefined) return send();
      await whilePinned(store, readReference(store, from), 'export', async (base) => {
        const ancestors = await streams.ancestors(version.volume);
        if (!ancestors.includes(base.volume)) throw noAncestor(store, base, version, ancestors);
        await send(base);
      });
    }),
  );
}

/** Writes what an import that broke off still lacks. @throws ChrootctlError BAD_INPUT, NOT_FOUND, USAGE */
export async function resumeStream(
  store: Store,
  token: string,
  out: Output,
  options: PackOptions,
): Promise<void> {
  const {id: volume, ...sending} = await streamsOf(store).resume(token);
  const version = versionOfVolume(store, volume);
  if (version === undefined) {
    throw new ChrootctlError(
      'NOT_FOUND',
      `volume ${volume}, which the token is for, is no version any more`,
      {
        hint: 'export another version',
      },
    );
  }
  const {image, id} = version;
  await telling((tell) =>
    whilePinned(store, {image, selector: {kind: 'version', prefix: id}}, 'export', () =>
      placing({version, out, tell}, () => write(sending, out, options)),
    ),
  );
}

export function versionOfVolume(store: Store, volume: string): VersionRecord | undefined {
  return store
    .imageNames()
    .flatMap((name) => store.image(name).versions())
    .find((version) => version.volume === volume);
}

function streamsOf(store: Store): VolumeStreams {
  const {streams, name} = store.driver;
  if (streams !== undefined) return streams;
  throw new ChrootctlError('USAGE', `a store with the driver ${name} has no zfs streams`, {
    hint: 'export with --format tar, which every store can import',
  });
}

async function write({start}: Sending, out: Output, {compression, signal}: PackOptions): Promise<void> {
  const compressor = COMPRESSORS[compression];
  await writeOutput(out, {
    signal,
    // Writing to a file itself, zfs(8) takes a full disk for a broken pipe; cat(1) tells what it was.
    start: (stdout) => compressed(start, compressor ?? (stdout === 'pipe' ? undefined : 'cat'), stdout),
    check: (ended) => checkEnded(ended, compressor, 'the version cannot be sent'),
  });
}

function noAncestor(
  store: Store,
  base: VersionRecord,
  version: VersionRecord,
  ancestors: readonly string[],
): ChrootctlError {
  const names = ancestors
    .map((volume) => versionOfVolume(store, volume))
    .filter((ancestor) => ancestor !== undefined)
    .map(({image, id}) => `${image}@${id}`);
  return new ChrootctlError(
    'USAGE',
    `${base.image}@${base.id} is no ancestor of ${version.image}@${version.id}: that was not made from it`,
    {
      hint:
        names.length === 0
          ? 'it has no ancestors: export it without --from'
          : `its ancestors are: ${names.slice(0, 10).join(', ')}; or export it without --from`,
    },
  );
}
