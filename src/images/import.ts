/** A first version, or a new one without a parent, from something outside the store. */
import {existsSync, realpathSync} from 'node:fs';
import type {Readable} from 'node:stream';
import {closeSource, openSource, peek, type Opened} from '../archive/source.ts';
import {unpackOpened} from '../archive/unpack.ts';
import {bootstrap as runBootstrap, type BootstrapOptions} from '../bootstrap.ts';
import {ChrootctlError} from '../errors.ts';
import {parseTarget} from '../reference.ts';
import {pinNothing} from '../session/pin.ts';
import {latestOf, type Committed} from '../session/publish.ts';
import {STREAM_HEAD, streamDriverOf} from '../storage/registry.ts';
import type {Store} from '../store/store.ts';
import {throwIfAborted} from '../system/interruption.ts';
import {newVersion, type NewImage} from './new-version.ts';
import {receiveVersion} from './receive.ts';

export interface ImportOptions extends NewImage {
  /** Bytes: the most that the archive may have once decompressed. */
  maxSize?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Imports a directory, a root file system tar, or a stream of the store's driver (plain, gzip, xz, zstd); which it is,
 * its content tells.
 * @param source a path, or a stream
 * @throws ChrootctlError NOT_FOUND, BAD_INPUT (nothing of an archive is left then), CONFLICT when `latest` moved meanwhile
 */
export async function importImage(
  store: Store,
  source: string | Readable,
  options: ImportOptions,
): Promise<Committed> {
  parseTarget(options.target); // Nothing is opened for what has no place.
  if (typeof source === 'string') refuseOwnStore(store, source);
  const stop = (): void => {
    // A stream may never say another word: its end is the way to stop waiting for one.
    if (typeof source !== 'string') source.destroy();
  };
  options.signal?.addEventListener('abort', stop, {once: true});
  try {
    return await importFrom(store, source, options);
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
}

async function importFrom(
  store: Store,
  source: string | Readable,
  {maxSize, signal, ...image}: ImportOptions,
): Promise<Committed> {
  const origin = typeof source === 'string' ? source : 'standard input';
  const {head, opened} = await begun(source, signal);
  try {
    const format = streamDriverOf(head);
    if (format !== undefined)
      return await receiveVersion(store, opened, {...image, format, origin, maxSize, signal});
    return await make(store, 'import', {message: `import of ${origin}`, ...image}, async (directory) => {
      await unpackOpened(opened, directory, {signal, ...(maxSize === undefined ? {} : {maxSize})});
    });
  } finally {
    closeSource(opened);
  }
}

async function begun(
  source: string | Readable,
  signal: AbortSignal | undefined,
): Promise<{head: Buffer; opened: Opened}> {
  let opened: Opened | undefined;
  try {
    opened = await openSource(source);
    const begun = await peek(opened, STREAM_HEAD);
    throwIfAborted(signal);
    return begun;
  } catch (error) {
    // Else what reads a directory would wait for ever for somebody who takes it.
    if (opened !== undefined) closeSource(opened);
    throwIfAborted(signal);
    throw error;
  }
}

/** Makes a Debian or Ubuntu root with mmdebstrap. @throws ChrootctlError */
export async function bootstrapImage(
  store: Store,
  suite: string,
  {target, message, labels, bump, force, ...options}: NewImage & BootstrapOptions,
): Promise<Committed> {
  return make(
    store,
    'bootstrap',
    {target, message: message ?? `bootstrap of ${suite}`, labels, bump, force},
    (directory) => runBootstrap(suite, directory, options),
  );
}

async function make(
  store: Store,
  action: 'import' | 'bootstrap',
  {target, ...options}: NewImage,
  fill: (directory: string) => Promise<void>,
): Promise<Committed> {
  const {image, tag} = parseTarget(target);
  // What `latest` is now is what this replaces; if it moves meanwhile, somebody else's work would be hidden.
  const expected = await latestOf(store.image(image));
  const record = pinNothing(store, image, {
    kind: action,
    ephemeral: true,
    command: [],
    labels: {},
    options: {},
  });
  const publication = {...options, image, tag, parent: null, expected, config: record.config, action};
  return newVersion(store, record, publication, async () => {
    await store.driver.create(record.volume);
    await store.driver.withTree(record.volume, fill);
  });
}

/** A directory that holds the store would be copied into itself without end. */
function refuseOwnStore(store: Store, source: string): void {
  if (!existsSync(source)) return; // Reported where it is opened.
  const path = realpathSync(source);
  if (store.root === path || store.root.startsWith(path === '/' ? '/' : `${path}/`)) {
    throw new ChrootctlError('USAGE', `${source} contains the store itself (${store.root})`, {
      hint: 'import a tar of it that leaves the store out, or use another --root',
    });
  }
}
