import {afterEach, beforeEach, describe, expect, test} from '@jest/globals';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import type {MountPlan} from '../../src/storage/driver.ts';
import {mountsOf} from '../../src/system/mounts.ts';
import {run} from '../../src/system/programs.ts';
import {stepByStep, withMounted} from '../../src/system/view.ts';

let root: string;
let plan: MountPlan;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'view: ,\\\n-'));
  mkdirSync(join(root, 'tree/inner'), {recursive: true});
  writeFileSync(join(root, 'tree/file'), 'content');
  plan = {
    type: 'none',
    source: join(root, 'tree'),
    options: ['bind', 'ro', 'private'],
    workingDirectory: root,
    layers: [],
  };
});

afterEach(() => {
  rmSync(root, {recursive: true});
});

function holderOf(directory: string): number {
  return Number(/^\/proc\/(\d+)\/root\//.exec(directory)?.[1]);
}

async function gone(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 100 && existsSync(`/proc/${pid}`); tries++) await sleep(20);
  return !existsSync(`/proc/${pid}`);
}

describe('a tree in a private mount namespace', () => {
  test('is seen by us and by programs that we start, and is mounted nowhere here', async () => {
    let holder = 0;
    const result = await withMounted(plan, async (directory) => {
      holder = holderOf(directory);
      expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('content');
      expect(await run('tar', ['-C', directory, '-cf', '-', '.'])).toContain('content');
      expect(() => writeFileSync(join(directory, 'file'), '')).toThrow(/EROFS/);
      expect(mountsOf().filter(({mountPoint}) => mountPoint.startsWith(root))).toEqual([]);
      return 'result';
    });
    expect(result).toBe('result');
    expect(existsSync(`/proc/${holder}`)).toBe(false);
    expect(readdirSync(root)).toEqual(['tree']);
  });

  test('goes when the work fails, and the failure comes through', async () => {
    let holder = 0;
    const work = (directory: string): Promise<void> => {
      holder = holderOf(directory);
      return Promise.reject(new Error('of the work'));
    };
    await expect(withMounted(plan, work)).rejects.toThrow('of the work');
    expect(existsSync(`/proc/${holder}`)).toBe(false);
  });

  test('can be had several times at once', async () => {
    const names = await withMounted(plan, async (outer) =>
      withMounted({...plan, source: join(root, 'tree/inner')}, (inner) =>
        Promise.resolve([readdirSync(outer), readdirSync(inner)]),
      ),
    );
    expect(names).toEqual([['file', 'inner'], []]);
  });

  test('that cannot be mounted says why, and the work is not begun', async () => {
    const begun: string[] = [];
    const refused = withMounted({...plan, source: join(root, 'nothing')}, (directory) => {
      begun.push(directory);
      return Promise.resolve();
    });
    await expect(refused).rejects.toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(/^cannot mount a volume: mount: /) as unknown,
    });
    expect(begun).toEqual([]);
  });

  test('cannot have / as its working directory, over which nothing could be seen', async () => {
    await expect(
      withMounted({...plan, workingDirectory: '/'}, () => Promise.resolve()),
    ).rejects.toMatchObject({
      code: 'FAILED',
    });
  });

  test('is gone when we are killed', async () => {
    const view = JSON.stringify(new URL('../../src/system/view.ts', import.meta.url).href);
    const script = `
      const {withMounted} = await import(${view});
      await withMounted(${JSON.stringify(plan)}, async (directory) => {
        process.stdout.write(directory);
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'exit');
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const holder = holderOf(said.toString());
    expect(existsSync(`/proc/${holder}`)).toBe(true);
    child.kill('SIGKILL');
    await closed;
    expect(await gone(holder)).toBe(true);
  });
});

test('it is there for as long as somebody asks for the next step', async () => {
  const hold = (use: (directory: string) => Promise<unknown>): Promise<unknown> => withMounted(plan, use);
  const steps = stepByStep(hold, async function* (directory) {
    for (const name of readdirSync(directory)) yield join(directory, name);
    await Promise.resolve();
  });
  const {value} = await steps.next();
  const directory = String(value);
  expect(existsSync(directory)).toBe(true);
  await steps.return();
  expect(await gone(holderOf(directory))).toBe(true);
  const failing = stepByStep(
    (use: (directory: string) => Promise<unknown>) => withMounted({...plan, source: '/nowhere'}, use),
    async function* (): AsyncGenerator<string> {
      yield await Promise.reject(new Error('there is nothing'));
    },
  );
  await expect(failing.next()).rejects.toMatchObject({code: 'FAILED'});
});
