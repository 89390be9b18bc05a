import {describe, expect, test} from '@jest/globals';
import {existsSync, readFileSync, readlinkSync} from 'node:fs';
import {join} from 'node:path';
import {randomId} from '../../src/ids.ts';
import {findController, settingsFor} from '../../src/sandbox/cgroups.ts';
import {createLimits, groupIdOf, leftoverLimits, removeLimits} from '../../src/sandbox/limits.ts';
import type {Limits} from '../../src/sandbox/spec.ts';
import {parseMountinfo} from '../../src/system/mounts.ts';
import {end, runIn, sandbox, sh, start} from './sandbox.ts';

const V1 = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
36 31 0:32 / /sys/fs/cgroup/cpuset rw,nosuid - cgroup cgroup rw,cpuset
39 31 0:36 /docker/abc /sys/fs/cgroup/pids ro,nosuid - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
`;
const V2 =
  '30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';
const HYBRID = `${V1.replace(/^39.*\n/m, '')}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`;

describe('where a controller is', () => {
  const find = (mountinfo: string, unified: string) => {
    const mounts = parseMountinfo(mountinfo);
    return (['memory', 'cpu', 'pids'] as const).map((name) => {
      const found = findController(mounts, name, () => unified);
      return found === undefined ? undefined : `${found.version} ${found.mountPoint}`;
    });
  };

  test('version 1', () => {
    expect(find(V1, '')).toEqual([
      '1 /sys/fs/cgroup/memory',
      '1 /sys/fs/cgroup/cpu,cpuacct',
      '1 /sys/fs/cgroup/pids',
    ]);
  });

  test('version 2', () => {
    expect(find(V2, 'cpuset cpu io memory pids\n')).toEqual(Array(3).fill('2 /sys/fs/cgroup'));
    expect(find(V2, 'cpu pids\n')).toEqual([undefined, '2 /sys/fs/cgroup', '2 /sys/fs/cgroup']);
  });

  test('both: each controller by itself', () => {
    expect(find(HYBRID, 'pids\n')[2]).toBe('2 /sys/fs/cgroup/unified');
    expect(find(HYBRID, 'hugetlb\n')).toEqual([
      '1 /sys/fs/cgroup/memory',
      '1 /sys/fs/cgroup/cpu,cpuacct',
      undefined,
    ]);
  });
});

test('what is written', () => {
  const written = (name: 'memory' | 'cpu' | 'pids', version: 1 | 2, amount: number) =>
    settingsFor({name, version}, amount).map(({file, value}) => `${file}=${value}`);
  expect(written('memory', 1, 8e6)).toEqual([
    'memory.limit_in_bytes=8000000',
    'memory.memsw.limit_in_bytes=8000000',
  ]);
  expect(written('memory', 2, 8e6)).toEqual(['memory.max=8000000', 'memory.swap.max=0']);
  expect(written('cpu', 1, 1.5)).toEqual(['cpu.cfs_period_us=100000', 'cpu.cfs_quota_us=150000']);
  expect(written('cpu', 2, 0.25)).toEqual(['cpu.max=25000 100000']);
  expect(written('pids', 1, 7)).toEqual(['pids.max=7']);
});

const limited = (limits: Limits) => ({limits, devices: [], privileged: false, measured: false});

test.each([{memory: 1000}, {memory: 1e7 + 0.5}, {cpus: 0}, {cpus: NaN}, {pids: 0}, {pids: 1.5}])(
  '%j is refused',
  (limits) => {
    expect(() => createLimits(randomId(), limited(limits))).toThrow(expect.objectContaining({code: 'USAGE'}));
  },
);

test('groups of makers that live, or cannot be seen, and those that somebody else named, are not listed', () => {
  const own = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  const elsewhere = [`${randomId()}.4194303.1.1`, `${randomId()}.4194303.1.${own}.1`];
  for (const id of [groupIdOf(randomId()), randomId(), ...elsewhere]) {
    createLimits(id, limited({pids: 10}));
    expect(leftoverLimits().filter((each) => each.id === id)).toEqual([]);
    removeLimits(id);
  }
});

test('an id cannot lead elsewhere', () => {
  expect(() => removeLimits('../x')).toThrow(expect.objectContaining({code: 'USAGE'}));
  expect(() => createLimits('a/b', limited({pids: 3}))).toThrow(expect.objectContaining({code: 'USAGE'}));
});

test('groups are listed when their maker is gone, and removed', () => {
  const namespaces = ['pid', 'time'].map((name) => readlinkSync(`/proc/self/ns/${name}`).replace(/\D/g, ''));
  const id = `${randomId()}.4194303.1.${namespaces.join('.')}`;
  const {groups} = createLimits(id, limited({pids: 10, memory: 2 ** 24}));
  expect(groups.length).toBeGreaterThan(0);
  expect(
    leftoverLimits()
      .filter((each) => each.id === id)
      .map(({path}) => path)
      .sort(),
  ).toEqual([...groups].sort());
  removeLimits(id);
  expect(groups.filter(existsSync)).toEqual([]);
  removeLimits(id);
});

describe('in force', () => {
  test('memory: the hog is killed, its sandbox reports it', async () => {
    const spec = await sandbox(['perl', '-e', '$x = "a" x 400_000_000; print length $x'], {
      limits: {memory: 2 ** 26},
    });
    expect(await end(start(spec))).toMatchObject({code: 137, stdout: ''});
    expect(leftoverLimits().filter(({id}) => id.startsWith(spec.id))).toEqual([]);
  });

  test('processes: as many as were allowed, not one more', async () => {
    // perl itself is the first of five.
    const script =
      '$n = 0; for (1..8) { $p = fork; last unless defined $p; if (!$p) { sleep 2; exit } $n++ } print $n';
    expect((await runIn(['perl', '-e', script], {limits: {pids: 5}})).stdout).toBe('4');
  });

  test('processors: the quota is written', () => {
    const id = randomId();
    const {groups} = createLimits(id, limited({cpus: 0.5}));
    const text = groups.map((group) => {
      const file = ['cpu.cfs_quota_us', 'cpu.max'].map((name) => join(group, name)).find(existsSync);
      return file === undefined ? '' : readFileSync(file, 'utf8').trim();
    });
    removeLimits(id);
    expect(text[0]).toMatch(/^50000( 100000)?$/);
  });

  test('a command with every limit runs', async () => {
    expect((await runIn(sh('exit 8'), {limits: {memory: 2 ** 27, cpus: 1, pids: 50}})).code).toBe(8);
  });
});
