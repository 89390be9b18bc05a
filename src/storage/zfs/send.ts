/** Streams of zfs-send(8): what can be sent, and what has been received. receive.ts does the receiving. */
import {ChrootctlError} from '../../errors.ts';
import {Child} from '../../system/child.ts';
import type {
  Incoming,
  Sending,
  SendOptions,
  StreamSource,
  Unfinished,
  VolumeStreams,
} from '../stream-contract.ts';
import {isMissing, refusal, tryZfs, zfs} from './command.ts';
import {propertiesOf} from './pool-ledger.ts';
import {placeOf, type Dataset} from './listing.ts';
import {datasetOf, lastPart, parseSnapshot, PROPERTY, type Room} from './names.ts';
import {textOf} from './properties.ts';
import {receiver} from './receive.ts';
import {StreamReader, type BeginRecord} from './stream-header.ts';

export class ZfsStreams implements VolumeStreams {
  readonly #room: Room;
  readonly #all: () => Promise<Dataset[]>;

  /** @param all everything in the room, which must be this store's */
  constructor(room: Room, all: () => Promise<Dataset[]>) {
    this.#room = room;
    this.#all = all;
  }

  /** An incremental stream can begin at any earlier snapshot, through any number of origins. */
  async ancestors(id: string): Promise<string[]> {
    const datasets = await this.#all();
    const found: string[] = [];
    for (let at: string | null = frozen(datasets, id); at !== null;) {
      const name: string = at;
      const dataset = datasets.find((candidate) => candidate.name === datasetOf(name));
      const snapshots = dataset?.snapshots ?? [];
      const upTo = snapshots.findIndex((snapshot) => snapshot.name === name) + 1;
      for (const snapshot of snapshots.slice(0, upTo).reverse())
        if (snapshot.id !== undefined && !snapshot.isBase && snapshot.id !== id) found.push(snapshot.id);
      at = dataset?.origin ?? null;
    }
    return found;
  }

  async send(id: string, {from, compressedBlocks}: SendOptions): Promise<Sending> {
    const datasets = await this.#all();
    // Properties, for the memo; blocks as large and as embedded as they are.
    const flags = ['-p', '-L', '-e', ...(compressedBlocks ? ['-c'] : [])];
    const base = from === undefined ? [] : ['-i', frozen(datasets, from)];
    return sending([...flags, ...base, frozen(datasets, id)]);
  }

  async resume(token: string): Promise<Sending & {id: string}> {
    if (!/^[0-9]+-[0-9a-f-]+$/.test(token)) throw noToken(token);
    const {ok, stdout, stderr} = await tryZfs(['send', '-n', '-v', '-t', token]);
    const name = /^\s*toname = (\S+)$/m.exec(stdout + stderr)?.[1];
    if (name === undefined) {
      if (ok || /token|invalid/i.test(stderr)) throw noToken(token);
      throw refusal('zfs send', stderr);
    }
    const {id} = parseSnapshot(name.slice(name.indexOf('@') + 1));
    if (placeOf(await this.#all(), id)?.source !== name || !ok) {
      throw new ChrootctlError('NOT_FOUND', `what is to be sent on, ${name}, is not in this store any more`, {
        hint: 'the token is for the store that the stream came from; if the version is gone there, export another one',
      });
    }
    return {id, ...sending(['-t', token])};
  }

  async open(source: StreamSource): Promise<Incoming> {
    const reader = new StreamReader(source.chunks);
    const {begin, properties, originGuid} = await reader.header();
    refuse(begin);
    const datasets = await this.#all();
    const target = `${this.#room.incoming}/${nameOf(begin.guid)}`;
    const partial = begin.isResuming ? await this.#partial(target) : undefined;
    const memo =
      partial === undefined ? textOf(PROPERTY.memo, properties) : textOf(PROPERTY.incoming, partial);
    const base = begin.fromGuid === undefined ? undefined : await this.#withGuid(datasets, begin.fromGuid);
    const lacks = begin.fromGuid === originGuid ? 'parent' : 'ancestor';
    return {
      memo,
      parent: base?.id ?? null,
      ...(begin.fromGuid !== undefined && base === undefined ? {lacks} : {}),
      receive: receiver(this.#room, {
        target,
        base,
        memo,
        isResuming: begin.isResuming,
        source: {...source, chunks: reader.rest()},
      }),
    };
  }

  async unfinished(): Promise<Unfinished[]> {
    const columns = ['name', 'used', 'receive_resume_token', PROPERTY.volume, PROPERTY.since].join(',');
    const args = ['list', '-Hp', '-d', '1', '-t', 'filesystem', '-o', columns, this.#room.incoming];
    const {ok, stdout, stderr} = await tryZfs(args);
    if (!ok && !isMissing(stderr)) throw refusal('zfs list', stderr);
    return stdout.split('\n').flatMap((row) => {
      const [name = '', used, token = '-', id = '-', since] = row.split('\t');
      // What is not marked as ours is somebody else's.
      if (id === '-' || !isName(lastPart(name))) return [];
      return [
        {
          name: lastPart(name),
          id,
          size: Number(used),
          since: since === '-' ? undefined : new Date(Number(since) * 1000),
          token: token === '-' ? undefined : token,
        },
      ];
    });
  }

  async abandon(name: string): Promise<void> {
    if (!isName(name)) throw new ChrootctlError('BAD_INPUT', `not a stream's name: ${JSON.stringify(name)}`);
    await this.#all(); // Throws when the room is another store's.
    const {ok, stderr} = await tryZfs(['destroy', '-r', `${this.#room.incoming}/${name}`]);
    if (!ok && !isMissing(stderr)) throw refusal('zfs destroy', stderr);
  }

  /** Properties of a partly received dataset. @throws ChrootctlError NOT_FOUND */
  async #partial(dataset: string): Promise<Map<string, string>> {
    const partial = (await propertiesOf(['-t', 'filesystem', dataset])).get(dataset);
    if (partial !== undefined) return partial;
    throw new ChrootctlError(
      'NOT_FOUND',
      'the stream goes on with something of which there is nothing here',
      {
        hint: 'it belongs into the store where the import broke off; else export the version anew, without --resume',
      },
    );
  }

  /** The frozen volume with this GUID. One that is there for its clones only may vanish at any moment. */
  async #withGuid(
    datasets: readonly Dataset[],
    guid: bigint,
  ): Promise<{id: string; snapshot: string} | undefined> {
    const text = await zfs('list', '-Hp', '-r', '-t', 'snapshot', '-o', 'guid,name', this.#room.volumes);
    const names = new Set(
      text
        .split('\n')
        .map((row) => row.split('\t'))
        .filter(([number]) => number === String(guid))
        .map(([, name]) => name),
    );
    const found = datasets
      .flatMap(({snapshots}) => snapshots)
      .find(({id, isBase, name}) => id !== undefined && !isBase && names.has(name));
    return found?.id === undefined ? undefined : {id: found.id, snapshot: found.name};
  }
}

function frozen(datasets: readonly Dataset[], id: string): string {
  const place = placeOf(datasets, id);
  if (place?.isFrozen === true) return place.source;
  throw new ChrootctlError('NOT_FOUND', `there is no frozen volume ${id}`, {
    hint: 'chrootctl doctor compares the records with what is in the pool',
  });
}

function sending(args: readonly string[]): Sending {
  return {start: (stdout) => new Child('zfs', ['send', ...args], ['ignore', stdout])};
}

function refuse({isFileSystem, isRaw, isRedacted}: BeginRecord): void {
  const [what, hint] = !isFileSystem
    ? ['of a block device (zvol)', 'send a file system that holds a root']
    : isRaw
      ? ['encrypted', 'send it without -w: the store has keys of its own']
      : isRedacted
        ? ['redacted, so that something is missing', 'send the whole of it']
        : [];
  if (what !== undefined)
    throw new ChrootctlError('BAD_INPUT', `the zfs stream is ${what}`, {hint: hint ?? ''});
}

/** A stream is known by the GUID of its snapshot: what goes on has the same. */
function nameOf(guid: bigint): string {
  return guid.toString(16).padStart(16, '0');
}

function isName(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

function noToken(token: string): ChrootctlError {
  return new ChrootctlError('BAD_INPUT', `not a token to go on with: ${token.slice(0, 40)}`, {
    hint: 'the import that broke off told it; chrootctl doctor shows it again there',
  });
}
