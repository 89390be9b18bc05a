/** What must not remain when nobody is at work any more: looked for in the system itself, not by chrootctl. */
import {execFileSync} from 'node:child_process';
import {readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {Store} from '../../src/store/store.ts';

/** A process that deletes what was thrown away needs a while. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 100;

/** Mounts and processes of a store; gives what is still there after some patience. */
export async function remainingProcesses(store: string): Promise<string[]> {
  for (let waited = 0; ; waited += PAUSE_MS) {
    const found = [...mountsBelow(store), ...processesOf(store)];
    if (found.length === 0 || waited >= PATIENCE_MS) return found;
    await sleep(PAUSE_MS);
  }
}

/** Files of a store that belong to nothing, once its leftovers were collected. */
export async function remainingFiles(root: string): Promise<string[]> {
  const store = await Store.open({root});
  const sessions = store.sessions.list();
  const versions = store.imageNames().flatMap((name) => store.image(name).versions());
  const named = new Set([...versions, ...sessions].map(({volume}) => volume));
  // Whoever uses a session next deals with what an interrupted change of it was making.
  const pending = new Set(sessions.flatMap((session) => session.pending));
  const volumes = await store.driver.list();
  const missing = [...named].filter((id) => !volumes.some((volume) => volume.id === id));
  const kept = sessions.map(({id}) => id);
  return [
    ...volumes
      .filter(({id}) => !named.has(id) && !pending.has(id))
      .map(({id, state}) => `volume ${id} (${state}) is nobody's`),
    ...missing.map((id) => `volume ${id} is gone`),
    ...sessions.filter((session) => session.ephemeral).map(({id}) => `session ${id} of a run`),
    ...readdirSync(store.layout.execs).map((name) => `execs/${name}`),
    ...readdirSync(store.layout.mounts)
      .filter((id) => !kept.includes(id))
      .map((id) => `mnt/${id}`),
    ...find(root, '-name', '*.tmp', '-o', '-name', '*.removing', '-o', '-name', '*.damaged'),
    ...(versions.length === 0 && sessions.length === 0
      ? find(
          store.layout.volumes,
          '-mindepth',
          '1',
          '-not',
          '-name',
          '.lock',
          '-not',
          '-name',
          '.losses*',
          '-not',
          '-name',
          '.overlay*',
        )
      : []),
    ...(versions.length === 0 ? readdirSync(store.layout.images).map((name) => `images/${name}`) : []),
  ];
}

/** Loop devices of files below a directory. */
export function loopDevicesOf(directory: string): string[] {
  return execFileSync('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE'], {encoding: 'utf8'})
    .split('\n')
    .filter((line) => line.includes(`${directory}/`));
}

function find(directory: string, ...words: string[]): string[] {
  return execFileSync('find', [directory, ...words], {encoding: 'utf8'})
    .split('\n')
    .filter(Boolean);
}

function mountsBelow(store: string): string[] {
  return pids().flatMap((pid) =>
    (readIfAlive(() => readFileSync(`/proc/${pid}/mountinfo`, 'utf8')) ?? '')
      .split('\n')
      .filter((line) => line.includes(`${store}/`))
      .map((line) => `mount in process ${pid}: ${line}`),
  );
}

function processesOf(store: string): string[] {
  return pids()
    .filter((pid) => Number(pid) !== process.pid)
    .flatMap((pid) => {
      const words = readIfAlive(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '';
      const links = ['cwd', 'root'].map(
        (name) => readIfAlive(() => readlinkSync(join('/proc', pid, name))) ?? '',
      );
      const isOurs = [words, ...links].some((text) => `${text}/`.includes(`${store}/`));
      return isOurs ? [`process ${pid}: ${words.replaceAll('\0', ' ')} (${links.join(', ')})`] : [];
    });
}

function pids(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

function readIfAlive<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // It has ended.
  }
}
