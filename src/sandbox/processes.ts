/** Which process is whose child, and who has the terminal (proc_pid_stat(5), proc_pid_task(5)). */
import {readIfExists} from '../system/files.ts';
import {entries, entryOf, ownEntry, processAt, statOf, type Process} from '../system/processes.ts';

/** The children of a process, oldest first; none when it has ended. */
export function childrenOf(entry: number): number[] {
  const listed = readListed(`/proc/${entry}/task/${entry}/children`);
  if (listed !== undefined) return listed.trim().split(' ').filter(Boolean).map(Number);
  // A kernel without CONFIG_PROC_CHILDREN.
  return entries()
    .filter((each) => statOf(each)?.parent === entry)
    .sort((a, b) => a - b);
}

function readListed(path: string): string | undefined {
  try {
    return readIfExists(path);
  } catch {
    return undefined; // The process ended between open and read (ESRCH).
  }
}

/**
 * The first child of our child with the number `child`, the first child of that, …: as deep as `generations`. Undefined
 * where there is none, or when one of them has ended meanwhile: somebody else may have its number then.
 */
export function descendantOf(child: number, generations: number): Process | undefined {
  const line = [entryOf(child)];
  while (line.length <= generations) {
    const last = line.at(-1);
    line.push(last === undefined ? undefined : childrenOf(last)[0]);
  }
  const entry = line.at(-1);
  const found = entry === undefined ? undefined : processAt(entry);
  const parents = [ownEntry(), ...line];
  const isOurs = line.every((each, index) => each !== undefined && statOf(each)?.parent === parents[index]);
  return isOurs ? found : undefined;
}

/** All descendants of a process, parents first; each by itself may end at any time. */
export function descendantsOf({entry: ancestor}: Process): Process[] {
  const parents = new Map(entries().map((entry) => [entry, statOf(entry)?.parent ?? 0]));
  return [...parents.keys()]
    .map((entry) => ({entry, generations: generationsBelow(ancestor, entry, parents)}))
    .filter(({generations}) => generations > 0)
    .sort((a, b) => a.generations - b.generations)
    .flatMap(({entry}) => processAt(entry) ?? []);
}

/** How many generations after `ancestor`; 0 for who does not descend from it. */
function generationsBelow(ancestor: number, entry: number, parents: ReadonlyMap<number, number>): number {
  let at = parents.get(entry);
  // Bounded: the parents were not all read at one moment.
  for (let generations = 1; at !== undefined && generations <= parents.size; generations++) {
    if (at === ancestor) return generations;
    at = parents.get(at);
  }
  return 0;
}

/**
 * Whether a key such as Ctrl-C reaches us from a terminal: then it reaches the command too, which is in the same
 * foreground process group.
 */
export function hasTerminal(): boolean {
  const own = statOf('self');
  return own !== undefined && own.terminal !== 0 && own.foreground === own.group;
}
