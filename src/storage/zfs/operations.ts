/**
 * Changes of datasets, done one after another: all in one transaction group where channel programs can, else by a
 * zfs(8) call each. Every one of them leaves a state from which the rest can be found out anew.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError} from '../../errors.ts';
import {isBusy, isMissing, refusal, tryZfs} from './command.ts';
import {datasetOf} from './names.ts';
import {runProgram} from './program.ts';

export type Operation =
  | {do: 'destroy'; name: string}
  | {do: 'promote'; clone: string}
  | {do: 'rename'; snapshot: string; to: string}
  | {do: 'set'; dataset: string; property: string; value: string};

/** A mount outlives the last process that its owner waits for by a moment, and udev or a scan may look at a dataset. */
const TRIES = 40;
const PAUSE_MS = 50;

/** Nothing else is written to the pool while a program runs. */
const AT_ONCE = 64;

/** Linux numbers; the program returns them as they are. */
const ERRNO: Partial<Record<number, string>> = {
  2: 'does not exist',
  16: 'dataset is busy',
  28: 'out of space',
};

/**
 * Does all of `operations` on datasets of one pool.
 * @throws ChrootctlError BUSY when one of them stays busy; those before it are done then
 */
export async function perform(
  pool: string,
  operations: readonly Operation[],
  {programs}: {programs: boolean},
): Promise<void> {
  let rest = operations;
  let tries = 0;
  while (rest.length > 0) {
    const next = rest.slice(0, AT_ONCE);
    const {done, complaint} =
      (programs ? await asProgram(pool, next) : undefined) ?? (await asCommands(next));
    rest = rest.slice(done);
    tries = done > 0 ? 1 : tries + 1;
    if (complaint === undefined) continue;
    if (!isBusy(complaint) || tries >= TRIES) throw refusal(`zfs ${rest[0]?.do ?? ''}`, complaint);
    await sleep(PAUSE_MS);
  }
}

interface Progress {
  /** How many of the operations are done. */
  done: number;
  /** Why the next one is not. */
  complaint?: string;
}

/** What is gone already needs no destroying: the call before this one may have been interrupted. */
const PROGRAM = `
args = ...
local argv = args["argv"]
local calls = {
  destroy = function(a) return zfs.sync.destroy(a) end,
  promote = function(a) return zfs.sync.promote(a) end,
  rename = function(a, b, c) return zfs.sync.rename_snapshot(a, b, c) end,
  set = function(a, b, c) return zfs.sync.set_prop(a, b, c) end
}
for i = 1, #argv, 4 do
  if argv[i] == "rename" and zfs.sync.rename_snapshot == nil then return {lacks = "rename_snapshot"} end
  if argv[i] == "set" and zfs.sync.set_prop == nil then return {lacks = "set_prop"} end
end
local done = 0
for i = 1, #argv, 4 do
  local errno = calls[argv[i]](argv[i + 1], argv[i + 2], argv[i + 3])
  if errno ~= 0 and not (errno == ENOENT and argv[i] == "destroy") then
    return {done = done, errno = errno, what = argv[i] .. " " .. argv[i + 1]}
  end
  done = done + 1
end
return {done = done}
`;

async function asProgram(pool: string, operations: readonly Operation[]): Promise<Progress | undefined> {
  const returned = await runProgram(pool, PROGRAM, operations.flatMap(programWords));
  if (returned === undefined || returned['lacks'] !== undefined) return undefined;
  const {done, errno, what} = returned;
  if (typeof done !== 'number')
    throw new ChrootctlError('FAILED', 'a channel program gave no account of itself');
  if (errno === undefined) return {done};
  const why = ERRNO[Number(errno)] ?? `error ${String(errno)}`;
  return {done, complaint: `cannot ${String(what)}: ${why}`};
}

/** Four words each, as the program reads them. */
function programWords(operation: Operation): string[] {
  switch (operation.do) {
    case 'destroy':
      return ['destroy', operation.name, '', ''];
    case 'promote':
      return ['promote', operation.clone, '', ''];
    case 'rename': {
      const dataset = datasetOf(operation.snapshot);
      return [
        'rename',
        dataset,
        ...[operation.snapshot, operation.to].map((name) => name.slice(dataset.length + 1)),
      ];
    }
    case 'set':
      return ['set', operation.dataset, operation.property, operation.value];
  }
}

async function asCommands(operations: readonly Operation[]): Promise<Progress> {
  for (const [done, operation] of operations.entries()) {
    const {ok, stderr} = await tryZfs(commandWords(operation));
    if (!ok && !(operation.do === 'destroy' && isMissing(stderr))) return {done, complaint: stderr};
  }
  return {done: operations.length};
}

function commandWords(operation: Operation): string[] {
  switch (operation.do) {
    case 'destroy':
      return ['destroy', operation.name];
    case 'promote':
      return ['promote', operation.clone];
    case 'rename':
      return ['rename', operation.snapshot, operation.to];
    case 'set':
      return ['set', `${operation.property}=${operation.value}`, operation.dataset];
  }
}
