/** A first version, or a new one without a parent, from something outside the store. */
import {existsSync, realpathSync} from 'node:fs';
import type {Readable} from 'node:stream';
import {unpackRoot} from '../archive/unpack.ts';
import {bootstrap as runBootstrap, type BootstrapOptions} from '../bootstrap.ts';
import {ChrootctlError} from '../errors.ts';
import {parseTarget} from '../reference.ts';
import {discard} from '../session/discard.ts';
import {pinNothing} from '../session/pin.ts';
import {publish, publishedOf, type CommitOptions, type Committed} from '../session/publish.ts';
import type {Store} from '../store/store.ts';

export interface NewImage extends Pick<CommitOptions, 'message' | 'labels' | 'bump' | 'force'> {
  /** `IMAGE[:TAG]`: `latest` moves too. */
  target: string;
}

/**
 * Imports a directory or a root file system tar (plain, gzip, xz, zstd; told by content).
 * @param source a path, or a stream
 * @throws ChrootctlError NOT_FOUND, BAD_INPUT (nothing of the archive is left then), CONFLICT when `latest` moved meanwhile
 */
export async function importImage(
  store: Store,
  source: string | Readable,
  {maxSize, signal, ...image}: NewImage & {maxSize?: number | undefined; signal?: AbortSignal | undefined},
): Promise<Committed> {
  const origin = typeof source === 'string' ? source : 'standard input';
  if (typeof source === 'string') refuseOwnStore(store, source);
  return make(store, 'import', {message: `import of ${origin}`, ...image}, async (directory) => {
    await unpackRoot(source, directory, {signal, ...(maxSize === undefined ? {} : {maxSize})});
  });
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
  const expected = store.image(image).refs().tags['latest'] ?? null;
  const record = pinNothing(store, image, {
    kind: action,
    ephemeral: true,
    command: [],
    labels: {},
    options: {},
  });
  let published: string[] = [];
  try {
    await store.driver.create(record.volume);
    await store.driver.withTree(record.volume, fill);
    const committed = await publish(store, {
      ...options,
      image,
      tag,
      parent: null,
      expected,
      config: record.config,
      action,
      freeze: async (note) => {
        await store.driver.freeze(record.volume, note);
        return record.volume;
      },
    });
    published = [record.volume];
    return committed;
  } catch (error) {
    published = publishedOf(store, image, [record.volume]);
    throw error;
  } finally {
    await discard(store, record, published);
  }
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
