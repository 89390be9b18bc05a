import {afterEach, expect, test} from '@jest/globals';
import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {childrenOf} from '../../src/sandbox/processes.ts';
import {isAlive, self, type Owner} from '../../src/system/identity.ts';
import {describeOwner, find, hasEnded, kill} from '../../src/system/owners.ts';
import {bootOf, isRunning, namespaceOf, processAt, signal, type Process} from '../../src/system/processes.ts';
import {cleanUp, temporaryDirectory} from '../temporary.ts';

const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  cleanUp();
});

/** A program that says a word when it is there. */
async function start(...words: [string, ...string[]]): Promise<number> {
  const [file, ...args] = words;
  const child = spawn(file, args, {stdio: ['ignore', 'pipe', 'inherit']});
  started.push(child);
  await once(child.stdout, 'data');
  return child.pid!;
}

function ownerAt(pid: number): Owner {
  return {...self(), pid, started: processAt(pid)!.started};
}

/** A container whose process 1 has a child; both as seen from here. */
async function container(): Promise<{first: Process; child: Process; namespace: string}> {
  const script = 'sleep 1000 & echo up; wait';
  const outer = await start('unshare', '--pid', '--fork', '--kill-child', 'sh', '-c', script);
  const [first] = childrenOf(outer).flatMap((pid) => processAt(pid) ?? []);
  const [child] = childrenOf(first!.pid).flatMap((pid) => processAt(pid) ?? []);
  return {first: first!, child: child!, namespace: namespaceOf(first!.pid)!};
}

test('one of our own namespace is found by its number and its start', async () => {
  const pid = await start('sh', '-c', 'echo up; exec sleep 1000');
  const owner = ownerAt(pid);
  expect(find(owner)).toEqual({entry: pid, pid, started: owner.started});
  expect(find({...owner, started: '1'})).toBe('ended');
  expect(describeOwner(owner)).toBe(`pid ${pid}`);
});

test('one further in is found by the number that it has there, and known to have ended when the rest is seen', async () => {
  const {first, child, namespace} = await container();
  const [one, two] = [first, child].map(({started}, index) => ({
    ...self(),
    namespace,
    started,
    pid: index + 1,
  }));
  expect([find(one!), find(two!)]).toEqual([first, child]);
  expect(describeOwner(one!)).toBe(
    `pid ${first.pid}, pid 1 in the pid namespace ${namespace.replace(/\D/g, '')}`,
  );

  expect(await kill(two!, child)).toBe(true);
  expect([isRunning(child), isAlive(two!), find(two!), isAlive(one!)]).toEqual([false, false, 'ended', true]);
  // Nobody has told so of this one: it counts as alive until it was looked for.
  const third = {...one!, pid: 3};
  expect([isAlive(third), find(third), isAlive(third)]).toEqual([true, 'ended', false]);
});

test('one who has the number and the start, but may have had them in another boot, is not to be signalled', async () => {
  const pid = await start('sh', '-c', 'echo up; exec sleep 1000');
  const owner = {...ownerAt(pid), boot: 'another'};
  expect([isAlive(owner), find(owner), hasEnded(owner)]).toEqual([true, 'unseen', false]);
  expect([find({...owner, started: '1'}), hasEnded({...owner, started: '1'})]).toEqual(['ended', true]);
});

test('one that sees a boot id of its own is found by that', async () => {
  const script =
    'echo mine >"$1"; mount --bind "$1" /proc/sys/kernel/random/boot_id; echo up; exec sleep 1000';
  const file = join(temporaryDirectory(), 'boot_id');
  const pid = await start('unshare', '--mount', 'sh', '-c', script, 'sh', file);
  expect(bootOf(pid)).toBe('mine');
  const owner = {...ownerAt(pid), boot: 'mine'};
  expect(find(owner)).toEqual(processAt(pid));
  expect(find({...owner, boot: 'another'})).toBe('unseen');
});

test('whether a lock is held goes before what cannot be seen, and is not asked for what can', async () => {
  const owner = {...ownerAt(await start('sh', '-c', 'echo up; exec sleep 1000')), time: 'time:[1]'};
  expect([hasEnded(owner), hasEnded(owner, () => undefined), hasEnded(owner, () => true)]).toEqual(
    Array(3).fill(false),
  );
  expect(isAlive(owner)).toBe(true);
  expect(hasEnded(owner, () => false)).toBe(true);
  expect([isAlive(owner), find(owner)]).toEqual([false, 'ended']);
  const never = (): boolean => {
    throw new Error('asked');
  };
  expect([hasEnded(self(), never), hasEnded({...self(), started: '1'}, never)]).toEqual([false, true]);
});

test('one whose start is counted in another time namespace cannot be judged', async () => {
  const owner = {...ownerAt(await start('sh', '-c', 'echo up; exec sleep 1000')), time: 'time:[1]'};
  expect([isAlive(owner), find(owner)]).toEqual([true, 'unseen']);
  expect([isAlive({...owner, started: '1'}), find({...owner, started: '1'})]).toEqual([true, 'unseen']);
});

test('a signal reaches nobody who has the number only', async () => {
  const pid = await start('sh', '-c', 'echo up; exec sleep 1000');
  const process = processAt(pid)!;
  expect(signal({...process, started: '1'}, 'SIGKILL')).toBe(false);
  expect(isRunning(process)).toBe(true);
  expect(signal(process, 'SIGKILL')).toBe(true);
});

test('one that /proc hides from us counts as alive', async () => {
  const said = await saidIn(
    ['unshare', '--pid', '--fork', '--kill-child', '--mount', 'sh', '-c', HIDING, 'sh'],
    `const owner = {...self(), pid: Number(process.argv[1]), started: '1'};
     const seen = [startOf(owner.pid) ?? null, isAlive(owner), find(owner), isAlive({...owner, pid: 99999})];
     console.log(JSON.stringify(seen));`,
  );
  expect(said).toEqual([null, true, 'unseen', false]);
});

test('one of our own namespace that we may not look at is not taken for one further in', async () => {
  const said = await saidIn(
    ['setpriv', '--bounding-set=-sys_ptrace', '--inh-caps=-all'],
    `const owner = {...self(), pid: 1, started: startOf(1), namespace: 'pid:[1]'};
     console.log(JSON.stringify(find(owner)));`,
  );
  expect(said).toBe('ended');
});

/** Starts a process of more rights than what it becomes then, to which it names that one's number. */
const HIDING = `
  mount -t proc -o hidepid=2,gid=1 proc /proc || exit
  sleep 1000 >&2 &
  exec setpriv --bounding-set=-sys_ptrace "$@" $!`;

test('where /proc is that of another namespace, its numbers are told apart from ours', async () => {
  const said = await saidIn(
    ['unshare', '--pid', '--fork', '--kill-child'],
    `const child = spawn('sleep', ['1000']);
     const owner = {...self(), pid: child.pid, started: startOf(child.pid)};
     const found = find(owner);
     const seen = [found.pid === child.pid, found.entry === found.pid, isAlive(owner)];
     signal(found, 'SIGKILL');
     child.on('exit', (code, name) => {
       const after = [isRunning(found), isAlive(owner), find({...owner, namespace: 'pid:[1]'})];
       console.log(JSON.stringify([...seen, name, ...after]));
     });`,
  );
  expect(said).toEqual([true, false, true, 'SIGKILL', false, false, 'unseen']);
});

/** What a script says that is started by other words. */
async function saidIn(words: readonly string[], script: string): Promise<unknown> {
  const source = join(import.meta.dirname, '../../src/system');
  const imports = `
    import {spawn} from 'node:child_process';
    import {isAlive, self, startOf} from '${source}/identity.ts';
    import {find} from '${source}/owners.ts';
    import {isRunning, signal} from '${source}/processes.ts';`;
  const options = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval'];
  const [file, ...rest] = [...words, process.execPath, ...options, imports + script];
  const child = spawn(file, rest, {stdio: ['ignore', 'pipe', 'inherit']});
  started.push(child);
  const [text] = (await once(child.stdout, 'data')) as [Buffer];
  return JSON.parse(String(text));
}
