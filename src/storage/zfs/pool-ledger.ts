/** The store's records as properties in the pool: an image's moves on a dataset of its own, memos on snapshots. */
import type {Ledger, LedgerEntry, LedgerLine} from '../ledger.ts';
import {hasDependents, isMissing, refusal, tryZfs, zfs} from './command.ts';
import {list} from './listing.ts';
import {PROPERTY, type Room} from './names.ts';
import {textOf} from './properties.ts';
import {append} from './transaction.ts';

export class ZfsLedger implements Ledger {
  readonly #room: Room;
  readonly #programs: boolean;

  constructor(room: Room, {programs}: {programs: boolean}) {
    this.#room = room;
    this.#programs = programs;
  }

  async append(entry: LedgerEntry): Promise<void> {
    await append(this.#room, entry, {programs: this.#programs});
  }

  async forget(line: string): Promise<void> {
    const dataset = await this.#room.line(line);
    const values = (await propertiesOf(['-t', 'filesystem', dataset])).get(dataset);
    if (values?.get(PROPERTY.line) !== line) return;
    const {ok, stderr} = await tryZfs(['destroy', dataset]);
    if (ok || isMissing(stderr)) return;
    if (!hasDependents(stderr)) throw refusal('zfs destroy', stderr);
    // Somebody's snapshots of it keep the dataset, but not the line: without a number it has not begun.
    await zfs('inherit', PROPERTY.seq, dataset);
  }

  async heads(): Promise<Map<string, number>> {
    const columns = [PROPERTY.line, PROPERTY.seq].join(',');
    const text = await zfs('list', '-Hp', '-d', '1', '-t', 'filesystem', '-o', columns, this.#room.images);
    const rows = text.split('\n').map((row) => row.split('\t'));
    return new Map(
      rows.flatMap(([line = '-', seq = '-']) => (line === '-' || seq === '-' ? [] : [[line, Number(seq)]])),
    );
  }

  async lines(): Promise<LedgerLine[]> {
    const datasets = await propertiesOf(['-d', '1', '-t', 'filesystem', this.#room.images]);
    return [...datasets.values()].flatMap((values) => {
      const [line, seq] = [values.get(PROPERTY.line), Number(values.get(PROPERTY.seq))];
      if (line === undefined || !(seq > 0)) return [];
      const entries = Array.from({length: seq}, (_, index) => index + 1).flatMap((number) => {
        const text = textOf(`${PROPERTY.move}.${number}`, values);
        return text === undefined ? [] : [{seq: number, text}];
      });
      return [{line, entries}];
    });
  }

  async memos(): Promise<Map<string, string>> {
    const {datasets} = (await list(this.#room.volumes)) ?? {datasets: []};
    const frozen = datasets
      .flatMap(({snapshots}) => snapshots)
      .filter(({id, isBase}) => id !== undefined && !isBase);
    const properties = await propertiesOf(['-r', '-t', 'snapshot', this.#room.volumes]);
    return new Map(
      frozen.flatMap(({id, name}) => {
        const memo = textOf(PROPERTY.memo, properties.get(name) ?? new Map<string, string>());
        return id === undefined || memo === undefined ? [] : [[id, memo]];
      }),
    );
  }
}

/** Properties of ours, by dataset or snapshot: those that it has itself. `scope`: options of zfs-get(8), then a dataset. */
export async function propertiesOf(scope: readonly string[]): Promise<Map<string, Map<string, string>>> {
  const found = new Map<string, Map<string, string>>();
  const {ok, stdout, stderr} = await tryZfs([
    ...['get', '-Hp', '-s', 'local,received', '-o', 'name,property,value'],
    ...scope.slice(0, -1),
    ...['all', ...scope.slice(-1)],
  ]);
  if (!ok && !isMissing(stderr)) throw refusal('zfs get', stderr);
  for (const row of stdout.split('\n')) {
    const [name = '', property = '', ...value] = row.split('\t');
    if (!property.startsWith('chrootctl:')) continue;
    const values = found.get(name) ?? new Map<string, string>();
    found.set(name, values.set(property, value.join('\t')));
  }
  return found;
}
