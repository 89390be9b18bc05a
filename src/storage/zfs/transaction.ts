/**
 * The one transaction of a commit: compare, snapshot, and everything that the snapshot and the ledger are to remember.
 * Where no channel program can be run it is done in steps, the comparison first: the snapshot comes with its properties
 * in one call, and the ledger's entry after it, so that a crash in between leaves a volume that nothing names.
 */
import {ChrootctlError} from '../../errors.ts';
import {StaleRecords, type LedgerEntry, type Note} from '../ledger.ts';
import {isTaken, refusal, tryZfs, zfs} from './command.ts';
import {PROPERTY, type Room} from './names.ts';
import {runProgram} from './program.ts';
import {assignments, type Assignment} from './properties.ts';

export interface Freezing {
  /** Full name of the snapshot to make. */
  snapshot: string;
  id: string;
  parent: string | null;
  note: Note | undefined;
}

/** @throws ChrootctlError CONFLICT when the snapshot is there already, or the ledger is ahead of the entry */
export async function freeze(
  room: Room,
  {snapshot, id, parent, note}: Freezing,
  options: {programs: boolean},
): Promise<void> {
  const properties: Assignment[] = [
    [PROPERTY.volume, id],
    ...(parent === null ? [] : [[PROPERTY.parent, parent] as const]),
    ...(note === undefined ? [] : assignments(PROPERTY.memo, note.memo)),
  ];
  await record(room, {snapshot, properties, entry: note?.entry}, options);
}

/** Takes a note of a volume that was frozen without one. */
export async function annotate(
  room: Room,
  {snapshot, note}: {snapshot: string; note: Note},
  options: {programs: boolean},
): Promise<void> {
  const properties = assignments(PROPERTY.memo, note.memo);
  await zfs('set', ...properties.map(([property, value]) => `${property}=${value}`), snapshot);
  await append(room, note.entry, options);
}

export async function append(room: Room, entry: LedgerEntry, options: {programs: boolean}): Promise<void> {
  await record(room, {snapshot: undefined, properties: [], entry}, options);
}

interface Recording {
  snapshot: string | undefined;
  properties: readonly Assignment[];
  entry: LedgerEntry | undefined;
}

async function record(room: Room, recording: Recording, {programs}: {programs: boolean}): Promise<void> {
  const {entry} = recording;
  const line = entry === undefined ? undefined : await room.line(entry.line);
  const returned = programs ? await runProgram(room.pool, PROGRAM, words(recording, line)) : undefined;
  if (returned === undefined || returned['lacks'] !== undefined) return inSteps(recording, line);
  if (returned['ok'] === true) return;
  const {why} = returned;
  if (why === 'line' && line !== undefined && entry !== undefined) {
    // The first entry of a line: the program cannot make a dataset.
    await makeLine(line, entry.line);
    return record(room, recording, {programs});
  }
  if (why === 'ahead') throw ahead(entry, String(returned['seq']));
  throw returned['errno'] === EEXIST
    ? new ChrootctlError('CONFLICT', `snapshot ${recording.snapshot ?? ''} exists already`)
    : refusal(
        'zfs program',
        `cannot ${String(why)}: ${MEANINGS[Number(returned['errno'])] ?? `error ${String(returned['errno'])}`}`,
      );
}

const EEXIST = 17;
/** Linux error numbers, in the words that refusal() knows. */
const MEANINGS: Partial<Record<number, string>> = {
  2: 'dataset does not exist',
  13: 'permission denied',
  16: 'dataset is busy',
  28: 'out of space',
  122: 'quota exceeded',
};

/**
 * Words: the snapshot, the line's dataset, the entry's number (each empty where there is none), how many assignments are
 * the snapshot's; then assignments, two words each.
 */
const PROGRAM = `
args = ...
local argv = args["argv"]
local snapshot, line, seq, count = argv[1], argv[2], argv[3], tonumber(argv[4])
if zfs.sync.set_prop == nil then return {lacks = "set_prop"} end
if line ~= "" then
  if not zfs.exists(line) then return {why = "line"} end
  local last = zfs.get_prop(line, "${PROPERTY.seq}")
  if last ~= nil and tonumber(last) > tonumber(seq) then return {why = "ahead", seq = last} end
end
local function assign(each)
  for i = 5, #argv, 2 do
    local target = line
    if i < 5 + 2 * count then target = snapshot end
    local errno = each(target, argv[i], argv[i + 1])
    if errno ~= 0 then return errno, argv[i] end
  end
  return 0
end
if snapshot ~= "" then
  local errno = zfs.check.snapshot(snapshot)
  if errno ~= 0 then return {why = "snapshot", errno = errno} end
  errno = zfs.sync.snapshot(snapshot)
  if errno ~= 0 then return {why = "snapshot", errno = errno} end
end
local errno, what = assign(zfs.sync.set_prop)
if errno ~= 0 then return {why = "set " .. what, errno = errno} end
return {ok = true}
`;

function words({snapshot = '', properties, entry}: Recording, line = ''): string[] {
  const all = [...properties, ...(entry === undefined ? [] : entryAssignments(entry))];
  return [
    snapshot,
    line,
    entry === undefined ? '' : String(entry.seq),
    String(properties.length),
    ...all.flat(),
  ];
}

/** The line's own mark is among them: a power cut may have come between the making of its dataset and its properties. */
function entryAssignments({line, seq, text}: LedgerEntry): Assignment[] {
  return [
    [PROPERTY.line, line],
    ...assignments(`${PROPERTY.move}.${seq}`, text),
    [PROPERTY.seq, String(seq)],
  ];
}

async function inSteps({snapshot, properties, entry}: Recording, line: string | undefined): Promise<void> {
  if (line !== undefined && entry !== undefined) {
    await makeLine(line, entry.line);
    const last = (await zfs('get', '-Hp', '-o', 'value', PROPERTY.seq, line)).trim();
    if (last !== '-' && Number(last) > entry.seq) throw ahead(entry, last);
  }
  const options = properties.flatMap(([property, value]) => ['-o', `${property}=${value}`]);
  if (snapshot !== undefined) await zfs('snapshot', ...options, snapshot);
  if (line !== undefined && entry !== undefined)
    await zfs('set', ...entryAssignments(entry).map(([property, value]) => `${property}=${value}`), line);
}

async function makeLine(dataset: string, line: string): Promise<void> {
  const {ok, stderr} = await tryZfs([
    'create',
    '-o',
    'canmount=off',
    '-o',
    `${PROPERTY.line}=${line}`,
    dataset,
  ]);
  if (!ok && !isTaken(stderr)) throw refusal('zfs create', stderr);
}

function ahead(entry: LedgerEntry | undefined, last: string): StaleRecords {
  const known = (entry?.seq ?? 1) - 1;
  return new StaleRecords(
    `the pool knows of ${last} moves of ${entry?.line ?? 'this image'}, the store's records of ${known}`,
  );
}
